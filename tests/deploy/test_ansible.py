"""The role on one machine, from nothing to an archive that is used, rebooted and taken away again.

One machine for all, in this order: a later test stands on what an earlier one left, as on a server.
"""

import base64
import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import deployed, planting
from tests.deploy.ansible import NAME, TOP, Site
from tests.deploy.deployed import STUDY, UNITS, accept, curl, listed, modes, outside, seal_newest, send
from tests.deploy.machine import Machine

VARIABLES = {
    "archimed_postgresql": True, "archimed_nginx": True, "archimed_nftables": True, "archimed_pam": True, "archimed_sftp": True,
    "archimed_windows_kit": True, "archimed_secrets": {"ldap-password": "of nobody"}, "archimed_dicom_from": ["192.0.2.0/26"],
    **deployed.PEOPLE,
}  # fmt: skip
SERIES = f"{STUDY}/E001/003_DCM_MR_t1_mprage_sag"
PLACES = ("/etc", "/opt", "/usr/local")
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("role")


@pytest.fixture(scope="module")
def site(place: Path, packed: Path) -> Iterator[Site]:
    with deployed.server(place / "machine") as made:
        yield deployed.site(made, place / "site", packed, **VARIABLES)
    shutil.rmtree(place / "machine")


@pytest.fixture(scope="module")
def fresh(site: Site) -> dict[str, str]:
    """Return owners and modes as they are before the role runs for the first time."""
    return modes(site.machine, *PLACES)


@pytest.fixture
def authority(site: Site) -> Path:
    return site.machine.root / "etc/archimed/tls/ca.pem"


def test_a_dry_run_on_a_fresh_machine_goes_through_and_changes_nothing(site: Site, fresh: dict[str, str]) -> None:
    played = site.play("--check", "--diff").require()
    assert played.changed > 5
    assert "+[dicom]" in played.output or "[dicom]" in played.output
    assert modes(site.machine, *PLACES) == fresh
    assert site.machine.run("ls", "/srv").stdout == ""


def test_converges_with_every_unit_at_work(site: Site) -> None:
    played = site.play().require()
    print(f"converge: {played.seconds:.1f} s")
    assert [site.machine.unit(unit, "ActiveState") for unit in UNITS] == ["active"] * len(UNITS)
    assert site.machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout == ""
    assert "of nobody" not in played.output


def test_the_second_run_changes_nothing(site: Site) -> None:
    played = site.play().require()
    print(f"second run: {played.seconds:.1f} s")
    assert played.what_changed == []
    assert played.changed == 0


def test_a_dry_run_on_the_converged_machine_sees_nothing_to_do(site: Site) -> None:
    played = site.play("--check", "--diff").require()
    assert played.what_changed == []


# Whatever the role brings matches a line of this: where, whose, how open.
BROUGHT = [
    (r"/etc/archimed", "root:archimed 750"),
    (r"/etc/archimed/archimed[.]toml", "root:archimed 640"),
    (r"/etc/archimed/(ldap-password|deid[.]key|tls/(ca|server)[.]key)", "root:root 600"),
    (r"/etc/archimed/tls", "root:root 755"),
    (r"/etc/archimed/(archimed[.]nft|tls/((ca|server)[.]pem|server[.]ext))", "root:root 644"),
    (r"/etc/systemd/system/[^/]+[.](d|wants)", "root:root 755"),
    (
        r"/etc/systemd/system/[^/]+[.]wants/((nftables-)?archimed[^/]*|nginx.service|ssh.service|postgresql.service)",
        "root:root 777",
    ),  # links
    (r"/etc/systemd/system/(archimed[^/]+|archimed-[^/]+[.]d/site[.]conf)", "root:root 644"),
    (r"/etc/systemd/system/(nftables-archimed[.]service|nftables[.]service[.]d/archimed[.]conf)", "root:root 644"),
    (r"/etc/(pam[.]d/archimed|nginx/conf[.]d/archimed[.]conf|ssh/sshd_config[.]d/archimed[.]conf)", "root:root 644"),
    (r"/etc/tmpfiles[.]d/archimed-http[.]conf", "root:root 644"),
    (r"/etc/(passwd|group|subuid|subgid)-", "root:root 644"),
    (r"/etc/g?shadow-", "root:shadow 640"),
    (r"/opt/archimed", "root:root 777"),  # a link
    (r"/opt/archimed-releases|/opt/archimed-releases/.*/", "root:root 755"),
    (r"/opt/archimed-releases/.+", "root:root (644|755|777)"),
    (r"/usr/local/bin/archimed", "root:root 755"),
    (r"/usr/local/share/man/man1/archimed[^/]*[.]1", "root:root 644"),
    (r"/usr/local/share/.*/(_?archimed|archimed[.]fish|windows/[^/]+[.](html|reg|cmd|crt))", "root:root 644"),
    (r"/usr/local/share/.+", "root:root 755"),  # folders
]


def test_owners_and_modes(site: Site, fresh: dict[str, str]) -> None:
    found = modes(site.machine, *PLACES, "/var/lib/archimed")
    brought = {path: what for path, what in found.items() if path not in fresh and not path.startswith("/var/lib/archimed")}
    assert {path: what for path, what in brought.items() if not _is_as_it_should_be(path, what)} == {}
    assert {pattern for pattern, _ in BROUGHT if not any(re.fullmatch(pattern, path) for path in brought)} <= {
        r"/etc/(passwd|group|subuid|subgid)-", r"/etc/g?shadow-",
    }  # fmt: skip
    # Nothing else was touched.
    assert {path for path, what in fresh.items() if found.get(path) != what} == {"/etc/nginx/sites-enabled/default"}
    assert found["/var/lib/archimed"] == "archimed:archimed 711"
    state = {path: what for path, what in found.items() if path.startswith("/var/lib/archimed/")}
    assert {what.split()[0] for what in state.values()} == {"archimed:archimed"}
    assert {path: what for path, what in state.items() if int(what.split()[1], 8) & 0o077} == {}
    assert len([path for path in brought if path.startswith("/usr/local/share/man/man1/")]) > 40


def _is_as_it_should_be(path: str, what: str) -> bool:
    """Whether what the role brought is as the first line that it matches says."""
    return next((re.fullmatch(wanted, what) is not None for pattern, wanted in BROUGHT if re.fullmatch(pattern, path)), False)


def read_through_the_mount(machine: Machine, login: str, name: str) -> bytes | None:
    """Return a file as a Unix user has it from her folder; None if she has no such file."""
    done = machine.run("sh", "-c", f"cat '/srv/archive/{login}/{name}' | base64", user=login)
    assert done.stderr == "" or "No such file or directory" in done.stderr, done.stderr
    return base64.b64decode(done.stdout) if done.stderr == "" else None


def test_what_a_scanner_sends_is_read_by_those_who_may(site: Site, place: Path, authority: Path) -> None:
    machine = site.machine
    send(machine, place / "sent", "1")
    accept(machine, "E001")
    name = f"{SERIES}/00001.dcm"
    assert machine.run("ls", f"/srv/archive/ada/{SERIES}", user="ada").stdout.split() == ["00001.dcm", "00002.dcm", "00003.dcm"]
    assert machine.run("ls", f"/srv/archive/lea/{STUDY}", user="lea", check=False).returncode != 0
    assert machine.run("ls", "/srv/archive/lea", user="lea").stdout == "2019-0007\n"
    assert machine.run("ls", "/srv/archive/ada", user="lea", check=False).returncode != 0
    copied = place / "by-webdav.dcm"
    assert curl(machine, authority, f"/archive/{name}", "ada", "--fail", "--output", str(copied)).returncode == 0
    archived = copied.read_bytes()
    assert b"Doe" not in archived
    assert read_through_the_mount(machine, "ada", name) == archived
    assert read_through_the_mount(machine, "lea", name) is None
    machine.run(deployed.ARCHIMED, "grant", "add", "lea", STUDY)
    machine.wait(lambda: read_through_the_mount(machine, "lea", name) == archived)
    machine.run(deployed.ARCHIMED, "grant", "remove", "lea", STUDY)
    machine.wait(lambda: read_through_the_mount(machine, "lea", name) is None)
    refused = curl(machine, authority, f"/archive/{name}", "lea", "--output", "/dev/null", "--write-out", "%{http_code}")
    assert refused.stdout == "404"


def test_the_certificate_is_verified(site: Site, authority: Path) -> None:
    assert curl(site.machine, authority, "/windows/", "ada", "--fail").stdout.startswith("<!doctype html>")
    other = curl(site.machine, Path("/etc/ssl/certs/ca-certificates.crt"), "/windows/", "ada")
    assert other.returncode == 60  # curl's word for a certificate that nobody vouches for
    wrong = curl(site.machine, authority, "/archive/", "ada", "--user", "ada:wrong", "-o", "/dev/null", "-w", "%{http_code}")
    assert wrong.stdout == "401"


def test_a_certificate_about_to_end_is_made_anew(site: Site, authority: Path) -> None:
    tls, ends_soon = "/etc/archimed/tls", ["openssl", "x509", "-noout", "-checkend", str(30 * 86400), "-in", "server.pem"]
    site.machine.run("sh", "-euc", f"""
        cd {tls}
        openssl req -new -key server.key -subj /CN={NAME} -out /tmp/short.csr
        openssl x509 -req -in /tmp/short.csr -CA ca.pem -CAkey ca.key -days 5 -extfile server.ext -out server.pem
    """)  # fmt: skip
    assert site.machine.run("env", f"--chdir={tls}", *ends_soon, check=False).returncode == 1
    assert "archimed : Make a certificate" in site.play("--tags", "nginx").require().what_changed
    site.machine.run("env", f"--chdir={tls}", *ends_soon)
    assert curl(site.machine, authority, "/windows/", "ada", "--fail").returncode == 0


def test_a_batch_is_decided_at_the_desk(site: Site, place: Path, authority: Path) -> None:
    send(site.machine, place / "for-the-desk", "2")
    batch = seal_newest(site.machine)
    page = curl(site.machine, authority, f"/desk/batches/{batch}", "ada", "--fail").stdout
    (seen,) = set(re.findall(r'name="seen" value="(\w+)"', page))

    picture = html.unescape(re.findall(r'<img [^>]*src="(/desk/[^"]+/picture[^"]*)"', page)[0])
    drawn = curl(
        site.machine, authority, picture, "ada", "--output", "/dev/null", "--write-out", "%{http_code} %{content_type}"
    )
    assert drawn.stdout == "200 image/png"

    def reject(login: str, origin: str) -> str:
        form = ["--data", f"seen={seen}&reason=a+test", "--header", f"Origin: {origin}"]
        told = ["--output", "/dev/null", "--write-out", "%{http_code} %header{location}"]
        return curl(site.machine, authority, f"/desk/batches/{batch}/reject", login, *form, *told).stdout.strip()

    assert reject("ada", "https://elsewhere.example.org") == "403"
    assert reject("lea", f"https://{NAME}") == "404"
    assert reject("ada", f"https://{NAME}") == f"303 /desk/batches/{batch}"
    assert listed(site.machine, "staging", "show", batch, "--as", "ada")["state"] == "rejected"


def test_every_line_of_the_page_for_clients_runs(site: Site, place: Path, authority: Path) -> None:
    machine = site.machine
    token = machine.run(deployed.ARCHIMED, "token", "create", "ada", "--scope", "read", "--scope", "staging").stdout.split()[-1]
    client = deployed.client(place / "client", authority, token)
    outside(machine, *client, "\n".join(["set -eux", *console_lines()]))
    exam = place / "client" / "E001"
    assert sorted(path.name for path in exam.glob("*/*")) == ["00001.dcm", "00002.dcm", "00003.dcm"]
    assert (place / "client/one.dcm").read_bytes() == next(exam.glob("*/00001.dcm")).read_bytes()
    assert {(found["study"], found["exam"]) for found in listed(machine, "staging", "list", "--as", "ada")} >= {(STUDY, "E002")}


def console_lines() -> list[str]:
    page = TOP.joinpath("docs/clients.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [re.sub(r"^[$#] ", "", line) for block in blocks for line in block.splitlines()]


def test_windows_gets_what_it_needs(site: Site, authority: Path) -> None:
    settings = curl(site.machine, authority, "/windows/webclient.reg", "ada", "--fail").stdout
    assert settings.startswith("Windows Registry Editor Version 5.00")
    assert '"FileAttributesLimitInBytes"=dword:04000000' in settings
    folder = site.machine.root / "usr/local/share/archimed/windows"
    for name in ("webclient.reg", "map-drive.cmd"):
        content = (folder / name).read_bytes()
        assert content.count(b"\r\n") == content.count(b"\n") > 5
    assert b"https://archive.example.org/archive" in (folder / "map-drive.cmd").read_bytes()


def let_in_by_ssh(machine: Machine, place: Path) -> list[str | Path]:
    """Let ada in by a key, as a member of the group that has SFTP alone; return the client's options."""
    machine.run("gpasswd", "--add", "ada", "archimed-sftp")
    key = place / "key"
    if not key.exists():
        outside(machine, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    machine.write("/home/ada/.ssh/authorized_keys", key.with_suffix(".pub").read_text(), 0o600)
    machine.run("chown", "-R", "ada:ada", "/home/ada/.ssh")
    return ["-i", key, "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={place}/known", "-o", "BatchMode=yes"]


def test_raw_data_come_in_by_sftp_and_nothing_else_is_seen(site: Site, place: Path) -> None:
    machine = site.machine
    options = let_in_by_ssh(machine, place)
    raw = place / "meas_MID1.dat"
    raw.write_bytes(bytes(range(256)) * 1000)
    batch = place / "batch"
    batch.write_text(f"mkdir {STUDY}/E003\nput {raw} {STUDY}/E003/\nls -l {STUDY}/E003\nls /\n")
    said = outside(machine, "sftp", "-b", batch, *options, "ada@127.0.0.1").stdout
    assert "meas_MID1.dat" in said
    assert said.rpartition("ls /\n")[2].split() == ["/archive", "/staging"]
    machine.write("/srv/secret-of-the-site", "not for them")
    batch.write_text("ls /\nls /archive/ada\nls /staging/ada\n")
    said = outside(machine, "sftp", "-b", batch, *options, "ada@127.0.0.1").stdout
    assert said.split("sftp> ls /archive/ada\n")[0].rpartition("ls /\n")[2].split() == ["/archive", "/staging"]
    assert STUDY in said
    # What is mounted anew is seen anew.
    machine.run("systemctl", "restart", "archimed-archive.service", "archimed-staging.service", timeout=120)
    assert outside(machine, "sftp", "-b", batch, *options, "ada@127.0.0.1").stdout == said
    shell = outside(machine, "ssh", *options, "ada@127.0.0.1", "cat /etc/passwd", check=False)
    assert "root:" not in shell.stdout
    machine.wait(lambda: (STUDY, "E003") in {
        (found["study"], found["exam"]) for found in listed(machine, "staging", "list", "--as", "ada")
    })  # fmt: skip


def test_a_name_typed_at_any_door_is_read_nowhere_but_in_staging(site: Site, place: Path, authority: Path) -> None:
    machine = site.machine
    home = place / "planting"
    home.mkdir()
    planting.over_http(machine, authority, home)
    planting.over_the_rest(machine, home, ["sftp", *let_in_by_ssh(machine, place), "ada@127.0.0.1"])
    # The same when something is away, or too much.
    with planting.nginx_that_refuses(machine):
        machine.run("systemctl", "kill", "--signal", "STOP", "archimed-http.service")
        planting.over_http(machine, authority, home)
    machine.run("systemctl", "kill", "--signal", "CONT", "archimed-http.service")
    machine.run("systemctl", "stop", "archimed-http.service")  # which writes the audit of refused logins down
    planting.over_http(machine, authority, home)
    machine.run("rm", "/run/archimed-http/proxy.sock")
    planting.over_http(machine, authority, home)
    machine.run("systemctl", "stop", "archimed-dicom.service", "archimed-archive.service", "archimed-staging.service")
    log = (machine.root / "var/log/nginx/archimed.log").read_text()
    assert {"201", "207", "400", "401", "404", "413", "414", "502", "503", "504"} <= {
        line.split()[3] for line in log.splitlines()
    }
    assert machine.run("find", "/var/lib/archimed/staging", "-name", f"*{planting.NAME}*").stdout != "", "it did come in"
    try:
        assert planting.found(machine, *planting.every_form()) == []
        # Whom the audit names on purpose is in the database, and in no log.
        strangers = planting.found(machine, planting.STRANGER)
        assert [line for line in strangers if "dicom.refused" not in line and "/postgresql/15/main/" not in line] == []
    finally:
        machine.run("systemctl", "start", "archimed.target", timeout=120)
    machine.run("logrotate", "--force", "/etc/logrotate.d/nginx")
    logs = modes(machine, "/var/log/nginx")
    assert {what.split()[1][-1] for path, what in logs.items() if path != "/var/log/nginx"} == {"0"}
    assert "/var/log/nginx/archimed.log.1" in logs


def test_strangers_do_not_reach_the_ports(site: Site) -> None:
    machine = site.machine
    rules = machine.run("nft", "list", "table", "inet", "archimed").stdout
    assert "ip saddr 192.0.2.0/26 accept" in rules
    # A computer behind a wire of its own, with an address that nobody named.
    machine.run(
        "sh",
        "-euc",
        """
        ip netns add stranger
        ip link add wire type veth peer name eth0 netns stranger
        ip address add 198.51.100.1/24 dev wire
        ip link set wire up
        ip -n stranger address add 198.51.100.2/24 dev eth0
        ip -n stranger link set eth0 up
    """,
    )
    ask = "import socket; socket.create_connection(('198.51.100.1', {}), timeout=5).close()"
    try:
        # 443 is open to all here: it shows that the wire works.
        machine.run("ip", "netns", "exec", "stranger", "python3", "-c", ask.format(443))
        refused = machine.run("ip", "netns", "exec", "stranger", "python3", "-c", ask.format(11112), check=False)
        assert refused.returncode != 0
    finally:
        machine.run("ip", "netns", "delete", "stranger")


def test_the_ports_stay_closed_whatever_is_done_to_units_and_rules(site: Site) -> None:
    machine = site.machine

    def closed() -> bool:
        return "ip saddr 192.0.2.0/26 accept" in machine.run("nft", "list", "table", "inet", "archimed", check=False).stdout

    machine.run("systemctl", "stop", "archimed.target", "archimed-*")
    assert closed(), "the documented way to stop the archive"
    for verb in ("start", "reload", "restart", "stop"):
        machine.run("systemctl", verb, "nftables.service")
        assert closed(), f"systemctl {verb} nftables.service"
    machine.run("systemctl", "start", "archimed.target", timeout=120)
    machine.wait(lambda: all(machine.unit(unit, "ActiveState") == "active" for unit in UNITS), 100)


def test_the_unit_of_an_earlier_release_makes_room_for_this_ones(site: Site) -> None:
    machine = site.machine
    machine.run("sh", "-euc", """
        cd /etc/systemd/system
        mv nftables-archimed.service archimed-firewall.service
        rm sysinit.target.wants/nftables-archimed.service
        systemctl daemon-reload
        systemctl enable --now archimed-firewall.service
    """)  # fmt: skip
    assert "archimed : Load them at each boot" in site.play("--tags", "nftables").require().what_changed
    assert "ip saddr 192.0.2.0/26 accept" in machine.run("nft", "list", "table", "inet", "archimed").stdout
    assert machine.run("systemctl", "is-enabled", "nftables-archimed.service").stdout == "enabled\n"
    assert not (machine.root / "etc/systemd/system/archimed-firewall.service").exists()


def test_root_acts_as_the_service(site: Site) -> None:
    site.machine.run(deployed.ARCHIMED, "study", "create", "MADE-BY-ROOT", "--description", "about mount and doctor")
    found = modes(site.machine, "/var/lib/archimed/store/MADE-BY-ROOT")
    assert {what.split()[0] for what in found.values()} == {"archimed:archimed"}


def test_what_is_declared_is_brought_about_and_nothing_else_is_touched(site: Site) -> None:
    changed = {
        "archimed_users": [{"login": "ada", "role": "power"}, {"login": "lea"}, {"login": "mia", "role": "standard"}],
        "archimed_grants": [*deployed.PEOPLE["archimed_grants"], {"login": "mia", "study": STUDY}],
        "archimed_sources": [{"name": "MR1", "ae": "MR_SENDER", "host": "127.0.0.1", "reviewers": ["ada", "mia"]}],
    }
    site.play("--tags", "declared", **changed).require()
    assert {user["login"]: user["role"] for user in listed(site.machine, "user", "list")} == {
        "ada": "power", "lea": "limited", "mia": "standard",
    }  # fmt: skip
    assert sorted(listed(site.machine, "source", "list")[0]["reviewers"]) == ["ada", "mia"]
    assert site.play("--tags", "declared", **changed).require().what_changed == []
    back = {
        "archimed_users": [{"login": "mia", "state": "absent"}, *deployed.PEOPLE["archimed_users"]],
        "archimed_grants": deployed.PEOPLE["archimed_grants"],
    }
    site.play("--tags", "declared", **back).require()
    assert sorted(user["login"] for user in listed(site.machine, "user", "list")) == ["ada", "lea"]
    assert "MADE-BY-ROOT" in {study["code"] for study in listed(site.machine, "study", "list")}


def test_after_a_reboot_all_is_there_again(site: Site, authority: Path) -> None:
    machine = site.machine
    machine.reboot()
    machine.wait(lambda: all(machine.unit(unit, "ActiveState") == "active" for unit in UNITS), 100)
    assert machine.run("ls", f"/srv/archive/ada/{SERIES}", user="ada").stdout.split()[0] == "00001.dcm"
    assert curl(machine, authority, f"/archive/{SERIES}/00001.dcm", "ada", "--fail", "-o", "/dev/null").returncode == 0
    assert "ip saddr 192.0.2.0/26 accept" in machine.run("nft", "list", "table", "inet", "archimed").stdout


def test_what_a_broken_run_left_is_mended(site: Site) -> None:
    machine = site.machine
    (release,) = (path for path in (machine.root / "opt/archimed-releases").iterdir() if path.is_dir())
    # As after a run that died between stopping and starting, with the release half made and the settings new.
    machine.run("systemctl", "stop", "archimed.target")
    machine.run("rm", f"/opt/archimed-releases/{release.name}/bundle.json", "/opt/archimed")
    machine.run("sh", "-c", f"rm -r /opt/archimed-releases/{release.name}/lib/python3*/site-packages/alembic")
    site.play().require()
    assert [machine.unit(unit, "ActiveState") for unit in UNITS] == ["active"] * len(UNITS)
    assert site.play().require().what_changed == []
    assert machine.run("ls", f"/srv/archive/ada/{STUDY}", user="ada").stdout == "E001\n"


def test_taken_away_it_leaves_the_data(site: Site) -> None:
    machine = site.machine
    kept = modes(machine, "/var/lib/archimed/store", "/etc/archimed/deid.key")
    assert any(path.endswith(".jsonl") for path in kept)
    site.play(archimed_state="absent").require()
    assert modes(machine, "/var/lib/archimed/store", "/etc/archimed/deid.key") == kept
    left = machine.run("find", "/etc", "/opt", "/usr/local", "/srv", "-xdev", "-name", "*archimed*").stdout.split()
    assert sorted(left) == ["/etc/archimed", "/etc/archimed/archimed.toml"]  # and the secrets, by other names
    assert "archimed" not in machine.run("nft", "list", "tables").stdout
    assert machine.run("systemctl", "is-active", "nginx.service", "ssh.service").stdout.split() == ["active", "active"]
    assert machine.run("findmnt", "/srv/archive", check=False).returncode == 1
    assert site.play(archimed_state="absent").require().changed == 0
    # And it comes back with everything in it.
    site.play().require()
    machine.wait(lambda: machine.unit("archimed-archive.service", "ActiveState") == "active", 60)
    assert machine.run("ls", f"/srv/archive/ada/{STUDY}", user="ada").stdout == "E001\n"
