"""The machine: FUSE, the clock, systemd's units."""

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.config import Config
from gateway.doctor.finding import Finding, doubtful, good, wrong

_DEVICE = Path("/dev/fuse")
_FUSE_CONF = Path("/etc/fuse.conf")
_MANAGED = Path("/run/systemd/system")
_TIMEX_BYTES = 512  # more than struct timex has anywhere
_CLOCK_ADRIFT = 5  # adjtimex(2): TIME_ERROR
_EARLIEST = 1_735_689_600  # 2025-01-01, before this program was written


def fuse(_config: Config) -> Iterator[Finding]:
    """Look whether this machine can mount."""
    if not _DEVICE.exists():
        yield wrong(
            "fuse", "there is no /dev/fuse, so nothing can be mounted", "modprobe fuse; in a container, pass the device in"
        )
    elif shutil.which("fusermount3") is None:
        yield wrong("fuse", "the program fusermount3 is missing", "apt-get install fuse3")
    elif not _lets_others_in():
        yield doubtful(
            "fuse", "user_allow_other does not stand in /etc/fuse.conf: only root and the units can let other users in",
            "for `archimed mount --all-users` by another user: echo user_allow_other >>/etc/fuse.conf",
        )  # fmt: skip
    else:
        yield good("fuse", "this machine can mount, also for other users")


def clock(_config: Config) -> Iterator[Finding]:
    """Look at the clock: times are in the audit, and leases and tokens end by it."""
    if time.time() < _EARLIEST:
        yield wrong("clock", "the clock is years behind", "set it, and keep it right with systemd-timesyncd or chrony")
    elif ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) == _CLOCK_ADRIFT:
        yield doubtful(
            "clock", "nothing keeps the clock right", "enable systemd-timesyncd or chrony (a virtual machine's host may do it)"
        )
    else:
        yield good("clock", "the clock is kept right")


def units(_config: Config) -> Iterator[Finding]:
    """Look whether the services that are installed run."""
    if not _MANAGED.exists():
        return
    listed = _systemctl("list-unit-files", "--no-legend", "--plain", "archimed-*.service", "archimed.target")
    states = {line.split()[0]: line.split()[1] for line in listed.splitlines() if line.strip()}
    if not states:
        yield doubtful(
            "units", "no units of the archive's are installed", "see docs/operations.md, if this machine is to serve"
        )
    for name, state in states.items():
        if "@" in name or state == "masked":
            continue
        active = _systemctl("is-active", name).strip()
        if name.endswith(".target") and state != "enabled":
            yield doubtful("units", f"{name} does not start at boot", f"systemctl enable {name}")
        elif active == "active":
            yield good("units", f"{name} is active")
        elif _systemctl("show", "-P", "TriggeredBy", name).strip():
            if active == "failed":
                yield wrong("units", f"{name} failed", f"journalctl -u {name}")
        else:
            yield wrong(
                "units", f"{name} is {active or 'unknown'}", f"systemctl start {name}; journalctl -u {name} says why it stopped"
            )


def _lets_others_in() -> bool:
    try:
        lines = _FUSE_CONF.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return os.geteuid() == 0
    return "user_allow_other" in {line.strip() for line in lines}


def _systemctl(*words: str) -> str:
    program = shutil.which("systemctl")
    if program is None:
        return ""
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=20, check=False).stdout  # noqa: S603 - our own words, no shell
