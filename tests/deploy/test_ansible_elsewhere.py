"""The role where a site has things elsewhere: the catalogue on another machine, the files on another disk, keys of its own.

One pair of machines for all, in this order.
"""

import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import deployed, images
from tests.deploy.ansible import NAME, TOP, Site
from tests.deploy.deployed import STUDY, UNITS, accept, curl, listed, modes, outside, send
from tests.deploy.machine import Machine, wire

DATABASE, HERE, THERE = "database.example.org", "192.0.2.1", "192.0.2.10"
KEY = "5e" * 32
FILE = f"{STUDY}/E001/003_DCM_MR_t1_mprage_sag/00001.dcm"
# A root, one that signs in its name, and the certificates of the web and of the database server.
_CERTIFICATES = """
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=$1" -keyout "$2.key" "${@:3}"; }
new root root -x509 -days 9 -out root.pem -addext basicConstraints=critical,CA:TRUE
new signer signer -out signer.csr
openssl x509 -req -in signer.csr -CA root.pem -CAkey root.key -days 9 -out signer.pem \
    -extfile <(echo basicConstraints=critical,CA:TRUE)
for name in archive.example.org database.example.org; do
    new $name $name -out $name.csr
    openssl x509 -req -in $name.csr -CA signer.pem -CAkey signer.key -days 9 -out $name.leaf \
        -extfile <(echo "subjectAltName=DNS:$name")
    cat $name.leaf signer.pem >$name.pem
done
"""
_SERVER = """
pg_createcluster 15 main >/dev/null 2>&1 || true
cd /etc/postgresql/15/main
chown postgres: server.key server.pem
chmod 600 server.key
cat >conf.d/site.conf <<END
listen_addresses = '*'
ssl_cert_file = '$PWD/server.pem'
ssl_key_file = '$PWD/server.key'
END
echo 'hostssl archimed archimed 192.0.2.0/24 scram-sha-256' >>pg_hba.conf
systemctl restart postgresql@15-main
runuser -u postgres -- psql -qc "create role archimed login password 'of the catalogue'"
runuser -u postgres -- createdb --owner=archimed archimed
"""
_DISK = """[Unit]
Before=local-fs.target
[Mount]
What=/var/disk
Where=/data
Type=none
Options=bind
[Install]
WantedBy=local-fs.target
"""
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run(["bash", "-euc", _CERTIFICATES], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def database(place: Path) -> Iterator[Machine]:
    """Give a machine with a PostgreSQL that others enter by TLS and a password."""
    with Machine(place / "database", images.debian("postgresql")) as made:
        made.boot()
        for kind in ("key", "pem"):
            made.write(f"/etc/postgresql/15/main/server.{kind}", (place / f"{DATABASE}.{kind}").read_text())
        made.run("sh", "-euc", _SERVER, timeout=120)
        yield made
    shutil.rmtree(place / "database")


@pytest.fixture(scope="module")
def site(place: Path, packed: Path, database: Machine) -> Iterator[Site]:
    shutil.copy(TOP / "deid/data/profiles/neuro-mr.toml", place / "profile.toml")
    variables = {
        **deployed.PEOPLE,
        "archimed_studies": [{"code": STUDY, "profile": str(place / "profile.toml")}, {"code": "2019-0007"}],
        "archimed_required_mounts": ["/data"],
        "archimed_settings": {
            "catalog": {
                "url": f"postgresql+psycopg://archimed@{DATABASE}/archimed?sslmode=verify-full&sslrootcert=/etc/archimed/site-ca",
                "password_file": "catalog-password",
            },
            "store": {"path": "/data/archive/store"},
            "staging": {"path": "/data/archive/staging"},
        },
        "archimed_secrets": {
            "catalog-password": "of the catalogue", "site-ca": (place / "root.pem").read_text(), "deid.key": KEY,
        },
        "archimed_nginx": True, "archimed_pam": True,
        "archimed_tls_certificate_file": str(place / f"{NAME}.pem"), "archimed_tls_key_file": str(place / f"{NAME}.key"),
    }  # fmt: skip
    with deployed.server(place / "machine", "logrotate", "nginx-light", "openssl", "postgresql-client") as made:
        wire({made: HERE, database: THERE})
        made.write("/etc/hosts", f"127.0.0.1 localhost\n{THERE} {DATABASE}\n")
        made.write("/etc/systemd/system/data.mount", _DISK)
        made.run("mkdir", "/var/disk", "/data")
        made.run("systemctl", "enable", "data.mount")
        yield deployed.site(made, place / "site", packed, **variables)
    shutil.rmtree(place / "machine")


def active(machine: Machine) -> bool:
    return all(machine.unit(unit, "ActiveState") == "active" for unit in UNITS)


def is_readable(machine: Machine) -> bool:
    return machine.run("sha256sum", f"/srv/archive/ada/{FILE}", user="ada", check=False).returncode == 0


@pytest.mark.parametrize("required", [["/data"], []])
def test_while_the_disk_is_away_nothing_is_changed(site: Site, required: list[str]) -> None:
    # What nobody named counts too, if the machine's own list of disks has it.
    site.machine.write("/etc/fstab", "" if required else "/var/disk /data none bind,noauto 0 0\n")
    before = modes(site.machine, "/etc", "/opt", "/usr/local", "/srv", "/data")
    played = site.play(archimed_required_mounts=required)
    site.machine.write("/etc/fstab", "")
    assert (played.failed, played.changed) == (1, 0)
    assert "nothing is mounted on /data; mount it" in " ".join(played.output.split())
    assert modes(site.machine, "/etc", "/opt", "/usr/local", "/srv", "/data") == before


def test_converges_with_every_unit_at_work(site: Site, database: Machine) -> None:
    machine = site.machine
    machine.run("systemctl", "start", "data.mount")
    played = site.play().require()
    assert active(machine)
    assert machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout == ""
    assert "of the catalogue" not in played.output
    assert KEY not in played.output
    assert (
        modes(machine, "/data", "/etc/archimed/deid.key", "/etc/archimed/tls/server.key").items()
        >= {
            "/data": "root:root 755",
            "/data/archive/store": "archimed:archimed 700",
            "/data/archive/staging": "archimed:archimed 700",
            "/etc/archimed/deid.key": "root:root 600",
            "/etc/archimed/tls/server.key": "root:root 600",
        }.items()
    )
    assert machine.run("ls", "/var/lib/archimed").stdout.split() == ["backups"]
    asked = "select bool_and(ssl), count(*) >= 5 from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'archimed'"
    assert database.run("runuser", "-u", "postgres", "--", "psql", "-Atc", asked).stdout == "t|t\n"


def test_the_second_run_changes_nothing(site: Site) -> None:
    assert site.play().require().what_changed == []


def test_a_secret_is_handed_to_those_who_need_it(site: Site) -> None:
    def handed(part: str) -> list[str]:
        return site.machine.run("ls", f"/run/credentials/archimed-{part}.service").stdout.split()

    assert handed("worker") == ["catalog-password", "deid.key", "site-ca"]
    assert handed("http") == ["catalog-password", "ldap-password", "site-ca"]
    assert handed("archive") == handed("staging") == ["catalog-password", "site-ca"]
    assert handed("dicom") == ["catalog-password", "dicom-tls.key", "site-ca"]


def test_what_comes_in_lies_on_the_disk_and_is_read_by_those_who_may(site: Site, place: Path) -> None:
    machine = site.machine
    send(machine, place / "sent", "1")
    accept(machine, "E001")
    copied = place / "by-webdav.dcm"
    assert curl(machine, place / "root.pem", f"/archive/{FILE}", "ada", "--fail", "--output", str(copied)).stderr == ""
    mounted = machine.run("sha256sum", f"/srv/archive/ada/{FILE}", user="ada").stdout
    assert mounted.split()[0] == outside(machine, "sha256sum", copied).stdout.split()[0]
    assert machine.run("ls", "/srv/archive/lea", user="lea").stdout == "2019-0007\n"
    assert machine.run("find", "/var/disk/archive/store", "-name", "*.jsonl").stdout.count("\n") == 1
    machine.run("systemctl", "start", "archimed-doctor", "archimed-audit-verify")  # fails if one finds something wrong


def test_a_study_keeps_the_profile_that_it_was_created_with(site: Site, place: Path) -> None:
    assert listed(site.machine, "study", "show", STUDY)["profile"] == (place / "profile.toml").read_text()
    shutil.copy(TOP / "deid/data/profiles/ct-trial.toml", place / "other.toml")
    studies = [{"code": STUDY, "profile": str(place / "other.toml")}]
    played = site.play("--tags", "declared", archimed_studies=studies)
    assert (played.failed, played.changed) == (1, 0)
    assert f"the study {STUDY} has another profile than" in " ".join(played.output.split())


def test_another_key_of_the_pseudonyms_is_refused(site: Site) -> None:
    secrets = site.variables["archimed_secrets"]
    played = site.play("--tags", "configuration", archimed_secrets={**secrets, "deid.key": "0f" * 32})
    assert (played.failed, played.changed) == (1, 0)
    assert "is another key than the one in archimed_secrets" in " ".join(played.output.split())
    assert "0f0f" not in played.output
    assert (site.machine.root / "etc/archimed/deid.key").read_text() == KEY + "\n"


def test_another_release_finds_its_catalogue_backed_up(site: Site, packed: Path, place: Path) -> None:
    site.play(archimed_bundle=str(repacked(packed, place / "next"))).require()
    site.machine.wait(lambda: active(site.machine), 100)
    (backup,) = site.machine.run("find", "/var/lib/archimed/backups", "-name", "catalog-before-another-*").stdout.split()
    assert modes(site.machine, backup) == {backup: "archimed:archimed 600"}
    assert "TABLE DATA public files archimed" in site.machine.run("pg_restore", "--list", backup).stdout
    assert is_readable(site.machine)
    # The old one stays, for going back, also when the role runs again; of three the two newest stay.
    first, releases = packed_release(packed), site.machine.root / "opt/archimed-releases"
    variables = {"archimed_bundle": str(place / "next/next.tar")}
    assert site.play(**variables).require().what_changed == []
    assert {path.name for path in releases.iterdir()} == {first, "another"}
    (releases / "half-made").mkdir()
    site.play(archimed_bundle=str(repacked(packed, place / "third", "third"))).require()
    site.machine.wait(lambda: active(site.machine), 100)
    assert {path.name for path in releases.iterdir()} == {"another", "third"}


def test_nothing_is_written_where_the_disk_is_away(site: Site) -> None:
    machine = site.machine
    machine.run("systemctl", "stop", "archimed.target", *UNITS[:-1], "archimed-staging.service")
    machine.run("systemctl", "stop", "data.mount")
    machine.run("chown", "archimed:archimed", "/data")  # the worst case: they could write there
    # Without the unit that mounts it nothing brings it back.
    machine.run("rm", "/etc/systemd/system/data.mount")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "archimed.target", timeout=120)
    for unit in UNITS[:-1]:
        machine.wait(lambda unit=unit: machine.unit(unit, "AssertResult") == "no")
        assert machine.unit(unit, "ActiveState") in {"inactive", "failed"}
    assert machine.run("ls", "-A", "/data").stdout == ""
    machine.write("/etc/systemd/system/data.mount", _DISK)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "data.mount", "archimed.target", timeout=120)
    machine.wait(lambda: active(machine), 100)
    assert is_readable(machine)


def packed_release(packed: Path) -> str:
    """Return the name of the release that a bundle holds."""
    with tarfile.open(packed) as tar:
        (about,) = (tar.extractfile(entry) for entry in tar if entry.name.endswith("/bundle.json"))
        assert about is not None
        return str(json.load(about)["release"])


def repacked(packed: Path, folder: Path, release: str = "another") -> Path:
    """Return the same bundle under the name of another release."""
    folder.mkdir()
    with tarfile.open(packed) as tar:
        tar.extractall(folder, filter="data")
    (content,) = folder.iterdir()
    about = json.loads((content / "bundle.json").read_text()) | {"release": release}
    (content / "bundle.json").write_text(json.dumps(about))
    sums = dict(reversed(line.split("  ")) for line in (content / "SHA256SUMS").read_text().splitlines())
    sums["bundle.json"] = hashlib.sha256((content / "bundle.json").read_bytes()).hexdigest()
    (content / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))
    subprocess.run(["tar", "--create", "--file", folder / "next.tar", "--directory", folder, content.name], check=True)
    digest = hashlib.sha256((folder / "next.tar").read_bytes()).hexdigest()
    (folder / "next.tar.sha256").write_text(f"{digest}  next.tar\n")
    return folder / "next.tar"
