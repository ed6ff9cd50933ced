"""The archive set up on a machine by hand, as docs/operations.md says: the program, its units, a study and two people."""

import subprocess
from pathlib import Path

from tests.deploy.machine import Finished, Machine

ARCHIVE = "/srv/archive"
DAEMONS = ("archimed-http", "archimed-dicom", "archimed-worker")
STAGING = "/srv/staging"
MOUNTS = {"archimed-archive": ARCHIVE, "archimed-staging": STAGING}
UNITS = (*DAEMONS, *MOUNTS)
CONFIG = """
[auth]
backends = ["token", "pam"]
[deid]
key_file = "deid.key"
[mounts]
archive = "/srv/archive"
staging = "/srv/staging"
"""
_INSTALL = """
systemd-sysusers /opt/archimed/lib/sysusers.d/archimed.conf
systemd-tmpfiles --create /opt/archimed/lib/tmpfiles.d/archimed.conf
cp /opt/archimed/lib/systemd/system/archimed* /etc/systemd/system/
cp /opt/archimed/share/archimed/pam.d/archimed /etc/pam.d/archimed
install -D -m 644 -t /etc/systemd/system/archimed-http.service.d /opt/archimed/share/archimed/archimed-http.service.d/pam.conf
openssl rand -hex 32 >/etc/archimed/deid.key
systemctl daemon-reload
"""
FILE = "S/E1/001_RAW/00001.raw"


def install(machine: Machine, config: str = CONFIG) -> None:
    """Set the archive up; nothing is started."""
    machine.run("sh", "-euc", f"umask 077; {_INSTALL}")
    machine.write("/etc/archimed/archimed.toml", config)
    machine.run("chgrp", "archimed", "/etc/archimed/archimed.toml")
    machine.run("chmod", "0640", "/etc/archimed/archimed.toml")


def archimed(machine: Machine, *words: str, check: bool = True) -> Finished:
    """Run a command of the archive's on the machine, as the account that serves."""
    return machine.run("/opt/archimed/bin/archimed", *words, user="archimed", check=check)


def people(machine: Machine) -> None:
    """Add a study with one file, ada who may see it, and ben who may not; both are Unix users with a password."""
    for login in ("ada", "ben"):
        machine.run("useradd", "--create-home", login)
        machine.run("chpasswd", text=f"{login}:secret-of-{login}\n")
        archimed(machine, "user", "add", login, "--role", "standard")
    archimed(machine, "study", "create", "S")
    archimed(machine, "grant", "add", "ada", "S")


def start(machine: Machine) -> None:
    """Start everything and wait until each part is ready."""
    machine.run("systemctl", "enable", "--now", "archimed.target", timeout=120)
    assert not_active(machine) == []


def stop(machine: Machine) -> None:
    """Stop everything and wait until each part has ended: stopping the target alone does not wait for them."""
    machine.run("systemctl", "stop", "archimed.target", *UNITS, timeout=120)


def not_active(machine: Machine) -> list[str]:
    """Return the parts that are not at work, each with its state."""
    states = machine.run("systemctl", "is-active", *UNITS, check=False).stdout.split()
    return [f"{unit}: {state}" for unit, state in zip(UNITS, states, strict=True) if state != "active"]


def all_active(machine: Machine) -> bool:
    """Whether every part is at work."""
    return not not_active(machine)


def health(machine: Machine, page: str = "healthz") -> str:
    """Return what the HTTP door says of itself."""
    return machine.run("curl", "-s", "-m", "5", f"http://127.0.0.1:8080/{page}", check=False).stdout


def is_mounted(machine: Machine, where: str) -> bool:
    """Whether users see an archive that answers there."""
    return machine.run("stat", f"{where}/ada", user="ada", check=False, timeout=20).returncode == 0


def dead_mounts(machine: Machine) -> list[str]:
    """Return the mounts of the archive's that do not answer."""
    mounted = [
        line.split()[4] for line in machine.run("cat", "/proc/1/mountinfo").stdout.splitlines() if " fuse.archimed " in line
    ]
    return [where for where in mounted if machine.run("stat", where, check=False, timeout=20).returncode != 0]


def add(machine: Machine, unit: str, *lines: str) -> None:
    """Add lines to a unit, as a site does; `archimed-.service` is all of them."""
    machine.write(f"/etc/systemd/system/{unit}.d/site.conf", "\n".join([*lines, ""]))
    machine.run("systemctl", "daemon-reload")


def exposure(unit: Path | str) -> float:
    """Return how exposed systemd takes a unit's file to be, from 0 (best) to 10."""
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)], capture_output=True, text=True, check=True
    )
    assert said.stderr == "", said.stderr
    return float(said.stdout.splitlines()[-1].split(": ")[1].split()[0])
