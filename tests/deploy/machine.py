"""A booted machine: systemd in a container, over layers of folders, so that a copy costs nothing and a test starts clean.

Knows nothing of the archive. A machine has a network of its own (nothing but `lo`), so that no two tests can take a port from
each other, and its own branch of control groups: two systemds in one branch would end each other's services.
"""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

_NUMBERS = itertools.count(1)
_LEADER = "X_NSPAWN_LEADER_PID"
_BOOT_SECONDS = 120.0
_REBOOT = 133  # systemd-nspawn's status that asks whoever started it to do so again
_MANAGED = Path("/run/systemd/system")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
# mount, pivot_root and their kin inside: what a service manager needs for its services' sandboxes.
_NSPAWN = (
    "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--console=pipe", "--notify-ready=yes",
    "--system-call-filter=@debug", "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--boot",
)  # fmt: skip

Finished = subprocess.CompletedProcess[str]


class Layers:
    """A root folder made of read-only layers and one to write in; a context manager that has it at `root`.

    Args:
        folder: an empty or missing folder for what is written; kept when the layers are taken apart.
        lower: the folders below, the topmost first.
    """

    def __init__(self, folder: Path, lower: Sequence[Path]) -> None:
        self.upper = folder / "upper"
        self.root = folder / "root"
        self._work = folder / "work"
        self._lower = lower

    def __enter__(self) -> Self:
        for made in (self.upper, self.root, self._work):
            made.mkdir(parents=True, exist_ok=True)
        options = f"lowerdir={':'.join(map(str, self._lower))},upperdir={self.upper},workdir={self._work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-R", self.root], check=True)


class Machine:
    """One machine, off when it is made; a context manager that ends it whatever state it is in.

    Args:
        folder: where its own layer lies.
        lower: the layers below, the topmost first.
        fuse: give it /dev/fuse.
    """

    def __init__(self, folder: Path, lower: Sequence[Path], *, fuse: bool = True) -> None:
        self._layers = Layers(folder, lower)
        self._fuse = fuse
        self._name = f"archimed-test-{os.getpid()}-{next(_NUMBERS)}"
        self._console = folder / "console.log"
        self._device = folder / "fuse"
        self._process: subprocess.Popen[bytes] | None = None
        self.leader = 0

    def __enter__(self) -> Self:
        self._layers.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.power_off()
        self._layers.__exit__()

    @property
    def root(self) -> Path:
        """The machine's root folder as seen from outside, on or off."""
        return self._layers.root

    @property
    def upper(self) -> Path:
        """What this machine has written: a layer for others, once it is off."""
        return self._layers.upper

    @property
    def enter(self) -> list[str]:
        """The words before a command that make it run inside, as root."""
        return ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "--"]

    def boot(self, *, to_the_end: bool = True) -> float:
        """Start it and wait until the boot is over, with whatever result; return how many seconds it took.

        Args:
            to_the_end: wait for all that starts with the machine; what tries again for ever keeps a boot from its end.
        """
        began = time.monotonic()
        address = f"\0{self._name}"
        heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        heard.bind(address)
        command = [*self._in_own_groups(), *_NSPAWN, f"--machine={self._name}", f"--directory={self.root}", "--private-network"]
        if self._fuse:
            if not self._device.exists():
                os.mknod(self._device, 0o666 | 0o020000, os.makedev(10, 229))
                self._device.chmod(0o666)
            command.append(f"--bind={self._device}:/dev/fuse")
        with self._console.open("ab") as console:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command], stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                env=os.environ | {"NOTIFY_SOCKET": "@" + address[1:]}, start_new_session=True,
            )  # fmt: skip
        # Closed when it has said what is needed: nobody who goes on writing to it may have to wait for a reader.
        with heard:
            self._wait_booted(heard, "READY" if to_the_end else _LEADER)
        if to_the_end:
            self.run("systemctl", "is-system-running", "--wait", check=False, timeout=_BOOT_SECONDS)
        else:
            self.wait(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() == "starting")
        return time.monotonic() - began

    def reboot(self, *, to_the_end: bool = True) -> float:
        """Restart it as its own `reboot` does; return how many seconds it took until it was up again."""
        began = time.monotonic()
        self.run("systemctl", "--no-block", "reboot")
        assert self._process is not None
        assert self._process.wait(timeout=_BOOT_SECONDS) == _REBOOT
        self._forget()
        self.boot(to_the_end=to_the_end)
        return time.monotonic() - began

    def power_off(self) -> None:
        """Shut it down in order; harmless when it is off."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=_BOOT_SECONDS)
        except subprocess.TimeoutExpired:
            os.kill(self.leader, signal.SIGKILL)
            self._process.wait(timeout=30)
        self._forget()

    def run(
        self, *command: str, check: bool = True, user: str | None = None, text: str | None = None, timeout: float = 120
    ) -> Finished:
        """Run a command inside and return what came of it.

        Args:
            command: its words.
            check: fail if its status is not 0.
            user: as whom; root without.
            text: what it reads.
            timeout: seconds it may take.
        """
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"] if user else []
        done = subprocess.run(
            [*self.enter, *as_user, *command], input=text, stdin=None if text is not None else subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout, env=_ENVIRONMENT, cwd="/",
        )  # fmt: skip
        assert not check or done.returncode == 0, (
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        return done

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside, for root; the folders above it are made."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)

    def unit(self, name: str, key: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", "-P", key, name).stdout.strip()

    def main_pid(self, name: str) -> int:
        """Return the number, inside, of a service's main process; 0 if it has none."""
        return int(self.unit(name, "MainPID"))

    def journal(self, name: str) -> str:
        """Return what a unit has written since the machine was booted."""
        return self.run("journalctl", "-b", "-o", "cat", "--no-pager", "-u", name).stdout

    def wait(self, what: Callable[[], bool], seconds: float = 120) -> float:
        """Wait until something holds; return how many seconds that took."""
        began = time.monotonic()
        while not what():
            assert time.monotonic() - began < seconds, f"not after {seconds} seconds"
            time.sleep(0.02)
        return time.monotonic() - began

    def _forget(self) -> None:
        self._process = None
        for group in _group_roots():
            _remove_groups(group / self._name)

    def _wait_booted(self, heard: socket.socket, word: str) -> None:
        heard.settimeout(_BOOT_SECONDS)
        assert self._process is not None
        facts: dict[str, str] = {}
        while word not in facts:
            try:
                said = heard.recv(4096).decode()
            except TimeoutError:
                said = ""
            assert said, f"it did not boot: {self._console.read_text(errors='replace')[-2000:]}"
            facts |= dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
            if _LEADER in facts:
                self.leader = int(facts[_LEADER])

    def _in_own_groups(self) -> list[str]:
        if _MANAGED.exists():
            return ["systemd-run", "--scope", "--quiet", "--property=Delegate=yes"]
        folders = [group / self._name for group in _group_roots()]
        for folder in folders:
            folder.mkdir()
        return ["sh", "-c", 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"', "sh",
                *map(str, folders), "--"]  # fmt: skip


def wire(ends: Mapping[Machine, str]) -> None:
    """Lay a wire between two machines that are on, which lasts until one is off; each end gets the address that is given."""
    (one, other) = ends
    _ip(one, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", str(other.leader))
    for machine, address in ends.items():
        _ip(machine, "address", "add", f"{address}/24", "dev", "wire")
        _ip(machine, "link", "set", "wire", "up")


def _ip(machine: Machine, *words: str) -> None:
    # From outside, where the other machine's processes have numbers too.
    subprocess.run(["nsenter", "-t", str(machine.leader), "-n", "--", "ip", *words], check=True)


def why_not() -> str:
    """Return why no machine can be booted here; empty if one can."""
    if os.geteuid() != 0:
        return "only root can boot a machine: run it with sudo"
    missing = [name for name in ("systemd-nspawn", "debootstrap", "nsenter", "setpriv") if shutil.which(name) is None]
    if missing:
        return f"missing here: {', '.join(missing)}; `.ci/install deploy` installs them"
    if not Path("/dev/fuse").exists():
        return "this machine has no /dev/fuse"
    if "\toverlay\n" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        return "this kernel has no overlay filesystem: modprobe overlay"
    if not _MANAGED.exists() and not _group_roots():
        return "no control groups can be made here; in a container, run it privileged"
    return ""


def _group_roots() -> list[Path]:
    """Return the folders in which a branch of control groups is made, where no systemd looks after them."""
    if _MANAGED.exists():
        return []
    base = Path("/sys/fs/cgroup")
    found = [base] if (base / "cgroup.procs").exists() else [base / "systemd", base / "unified"]
    return [group for group in found if os.access(group / "cgroup.procs", os.W_OK)]


def _remove_groups(folder: Path) -> None:
    for below, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            Path(below).rmdir()
