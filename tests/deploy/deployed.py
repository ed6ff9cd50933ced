"""A machine that the role has set up, and what people outside do with it: send, review, read, all by real programs."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import synthetic
from tests.deploy import images
from tests.deploy.ansible import NAME, Site
from tests.deploy.images import TOP
from tests.deploy.machine import Machine

PACKAGES = ("logrotate", "nftables", "nginx-light", "openssh-client", "openssh-server", "postgresql")
UNITS = (
    "archimed-http.service",
    "archimed-dicom.service",
    "archimed-worker.service",
    "archimed-archive.service",
    "archimed.target",
)
STUDY = "2008-0003"
ARCHIMED = "/usr/local/bin/archimed"  # as the role installs it
PEOPLE: dict[str, Any] = {
    "archimed_users": [{"login": "ada", "role": "standard"}, {"login": "lea"}],
    "archimed_studies": [{"code": STUDY, "description": "Healthy ageing", "end_date": "2031-12-31"}, {"code": "2019-0007"}],
    "archimed_grants": [{"login": "ada", "study": STUDY}, {"login": "lea", "study": "2019-0007"}],
    "archimed_sources": [{"name": "MR1", "ae": "MR_SENDER", "host": "127.0.0.1", "reviewers": ["ada"]}],
}


@contextmanager
def server(folder: Path, *packages: str, suite: images.Suite = images.BOOKWORM) -> Iterator[Machine]:
    """Boot a machine with these packages and the Unix users ada and lea, who have passwords."""
    with Machine(folder, images.debian(*(packages or PACKAGES), suite=suite)) as machine:
        machine.boot()
        for login in ("ada", "lea"):
            machine.run("useradd", "--create-home", login)
            machine.run("chpasswd", text=f"{login}:secret-of-{login}\n")
        yield machine


def bundle(folder: Path, wheel: Path) -> Path:
    """Pack a wheel with all that it needs."""
    done = subprocess.run([TOP / ".ci/bundle", wheel, folder], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def wheel_of(packed: Path, folder: Path) -> Path:
    """Take the archive's own wheel out of a bundle."""
    extract = ["tar", "--extract", "--file", packed, "--directory", folder, "--strip-components", "2"]
    subprocess.run([*extract, "--wildcards", "*/archimed-*.whl"], check=True)
    (wheel,) = folder.glob("archimed-*.whl")
    return wheel


def outside(machine: Machine, *command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program of this system's on the machine's network, as another computer would."""
    done = subprocess.run(
        ["nsenter", "-t", str(machine.leader), "-n", "--", *command], capture_output=True, text=True, timeout=200,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def listed(machine: Machine, *words: str) -> Any:
    """Return what a listing command of the archive's gives."""
    return json.loads(machine.run(ARCHIMED, *words, "--json").stdout)


def send(machine: Machine, folder: Path, study: str, instances: int = 3) -> None:
    """Send a series with DCMTK, as a scanner does."""
    folder.mkdir()
    for number in range(1, instances + 1):
        (folder / f"{number}.dcm").write_bytes(synthetic.image(study=study, instance=number))
    outside(machine, "storescu", "-aet", "MR_SENDER", "-aec", "ARCHIMED", "127.0.0.1", "11112", "+sd", folder)


def seal_newest(machine: Machine) -> str:
    """Seal the newest batch as its reviewer, wait until it is checked, and return its number."""
    batch = str(max(found["id"] for found in listed(machine, "staging", "list", "--as", "ada")))
    machine.run(ARCHIMED, "staging", "seal", batch, "--as", "ada")
    machine.wait(lambda: listed(machine, "staging", "show", batch, "--as", "ada")["state"] != "checking", 100)
    return batch


def accept(machine: Machine, exam: str) -> None:
    """Accept the newest batch into the study, as its reviewer, and wait until it is published."""
    batch = seal_newest(machine)
    machine.run(ARCHIMED, "staging", "accept", batch, "--study", STUDY, "--exam", exam, "--wait", "--as", "ada", timeout=200)


def curl(machine: Machine, authority: Path, path: str, login: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Ask the web server by its name, with its certificate verified."""
    return outside(
        machine, "curl", "--silent", "--show-error", "--cacert", authority, "--resolve", f"{NAME}:443:127.0.0.1",
        "--user", f"{login}:secret-of-{login}", *more, f"https://{NAME}{path}", check=False,
    )  # fmt: skip


def client(home: Path, authority: Path, token: str) -> list[str]:
    """Return the words before a script that make this system a client that was set up: it finds the server and trusts it.

    In mounts of its own: nothing of this system is changed.
    """
    (home / "mnt").mkdir(parents=True)
    (home / "davfs2").mkdir()
    (home / "davfs2/secrets").touch(mode=0o600)
    (home / "hosts").write_text(f"127.0.0.1 localhost {NAME}\n")
    trusted = Path("/etc/ssl/certs/ca-certificates.crt")
    (home / "trusted.crt").write_bytes(trusted.read_bytes() + authority.read_bytes())
    places = {"hosts": "/etc/hosts", "trusted.crt": str(trusted), "davfs2": "/etc/davfs2", "mnt": "/mnt"}
    script = [f"mount --bind {home / name} {place}" for name, place in places.items()]
    script += [f"cd {home}", f"export HOME={home} TOKEN={token} RCLONE_CONFIG={home}/rclone.conf", 'eval "$1"']
    return ["unshare", "--mount", "--propagation", "private", "sh", "-euc", "\n".join(script), "sh"]


def modes(machine: Machine, *paths: str) -> dict[str, str]:
    """Return owner, group and mode of everything below some places, by its path."""
    said = machine.run("find", *paths, "-printf", "%p %u:%g %m\n").stdout
    return {path: f"{owner} {mode}" for path, owner, mode in (line.rsplit(" ", 2) for line in said.splitlines())}


def site(machine: Machine, folder: Path, packed: Path, **variables: object) -> Site:
    """Return the role's view of a machine."""
    return Site(machine, folder, {"archimed_bundle": str(packed), "archimed_server_name": NAME, **variables})
