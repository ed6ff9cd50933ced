"""Bringing files by SFTP: OpenSSH's own server, confined to the staging mount, as docs/staging-webdav.md sets it up."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.behaviour.dropping import EXAM, STUDY, fill, review_of, seal_all
from tests.behaviour.suite import eventually
from tests.builders import BuiltArchive

PATIENCE = 60
# A Unix user that every Debian has, that owns nothing and has no shell: as an account for a scanner is.
SCANNER = "games"
DOCUMENT = Path(__file__).parents[2] / "docs" / "staging-webdav.md"


@dataclass
class Site:
    """A staging mount for all users in a folder of root's, and an sshd that lets the scanner in there."""

    built: BuiltArchive
    folder: Path
    port: int
    key: Path

    def sftp(self, *commands: str, at: str = "", status: int = 0) -> str:
        """Run a batch of commands; return what was printed."""
        done = subprocess.run(
            [*self.command(), f"{SCANNER}@127.0.0.1{at}"], input="\n".join(commands) + "\n", text=True, timeout=PATIENCE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == status, done.stdout
        return done.stdout

    def command(self) -> list[str]:
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "IdentitiesOnly=yes"]
        return ["sftp", "-b", "-", "-P", str(self.port), "-i", str(self.key), *(f"-o{option}" for option in options)]


def documented(folder: Path) -> str:
    """Return the part of sshd's configuration that the document gives, for this folder and this user."""
    found = re.search(r"```sshd_config\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    assert "/srv/archimed" in found[1]
    assert "Match Group archimed-sftp" in found[1]
    return (
        found[1].replace("/srv/archimed", str(folder)).replace("/etc/ssh/archimed", f"{folder}/keys")
        .replace("Match Group archimed-sftp", f"Match User {SCANNER}")
    )  # fmt: skip


@pytest.fixture
def site(built: BuiltArchive) -> Iterator[Site]:
    if os.geteuid() != 0 or not Path("/dev/fuse").exists() or shutil.which("sshd", path="/usr/sbin") is None:
        pytest.skip("this takes root, /dev/fuse and OpenSSH's server")
    fill(built)
    built.user(SCANNER, "standard")
    built.grant(SCANNER, STUDY)
    # sshd asks that root own every folder on the way; /tmp belongs to all.
    folder = Path(tempfile.mkdtemp(prefix="archimed-sftp-", dir="/run"))
    folder.chmod(0o755)
    (folder / "staging").mkdir()
    mount = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "--config", str(built.config), "mount-staging", str(folder / "staging"),
         "--all-users", "--foreground"], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert mount.stdout is not None
        assert mount.stdout.readline().startswith("mounted ")
        with running_sshd(built, folder) as site:
            yield site
    finally:
        mount.send_signal(signal.SIGTERM)
        mount.wait(PATIENCE)
        if mount.stdout is not None:
            mount.stdout.close()
        shutil.rmtree(folder)


class running_sshd:  # noqa: N801 - used as a function
    """Run an sshd of its own on loopback."""

    def __init__(self, built: BuiltArchive, folder: Path) -> None:
        own = built.folder / "ssh"
        own.mkdir()
        for name in ("host", "scanner"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(own / name)], check=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        config = own / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1:{port}\nHostKey {own}/host\nPidFile none\nUsePAM no\n"
            f"Subsystem sftp internal-sftp\n" + documented(folder)
        )
        (folder / "keys").mkdir()
        shutil.copy(own / "scanner.pub", folder / "keys" / f"{SCANNER}.keys")
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE, text=True
        )  # fmt: skip
        self._site = Site(built, folder, port, own / "scanner")

    def __enter__(self) -> Site:
        assert self._process.stderr is not None
        assert "Server listening" in self._process.stderr.readline()
        return self._site

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=PATIENCE)


def test_a_scanner_brings_files_and_sees_nothing_else(site: Site) -> None:
    raw = site.folder / "raw.dat"
    raw.write_bytes(os.urandom(3_000_000))
    (site.folder / "many" / "deep").mkdir(parents=True)
    for number in range(30):
        (site.folder / "many" / "deep" / f"{number}.raw").write_bytes(b"%d" % number)
    told = site.sftp(
        "pwd", "ls -1", f"mkdir {EXAM}", f"put -p raw.dat {EXAM}/raw.dat.tmp", f"rename {EXAM}/raw.dat.tmp {EXAM}/raw.dat",
        f"put -r many {EXAM}/", f"ls -1 {EXAM}", f"get {EXAM}/raw.dat back.dat", f"mkdir {EXAM}/gone", f"rmdir {EXAM}/gone",
    )  # fmt: skip
    assert f"Remote working directory: /staging/{SCANNER}" in told
    assert STUDY in told
    assert "SECRET" not in told
    assert (site.folder / "back.dat").read_bytes() == raw.read_bytes()
    # Above are folders of root's, and those of others, closed.
    for denied in ("put raw.dat /raw.dat", "put raw.dat /staging/raw.dat", "ls /staging", "ls /staging/anna", "ls /etc",
                   f"mkdir {STUDY}/_x", "mkdir SECRET", "symlink raw.dat link"):  # fmt: skip
        site.sftp(denied, status=1)
    assert seal_all(site.built) == [1]
    info = review_of(site.built, SCANNER).info(1)
    assert (info.state, info.study, info.exam, info.files) == ("sealed", STUDY, "E001", 31)
    site.sftp(f"put raw.dat {EXAM}/raw.dat", status=1)
    site.sftp(f"rm {EXAM}/raw.dat", status=1)


def test_a_transfer_that_was_cut_off_is_resumed(site: Site) -> None:
    big = site.folder / "big.dat"
    big.write_bytes(os.urandom(1_000_000) * 100)
    site.sftp(f"mkdir {EXAM}")
    client = subprocess.Popen(
        [*site.command(), "-l", "80000", f"{SCANNER}@127.0.0.1"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, cwd=site.folder,
    )  # fmt: skip
    assert client.stdin is not None
    client.stdin.write(f"put big.dat {EXAM}/big.dat\n".encode())
    client.stdin.flush()
    brought = next((site.built.folder / "var" / "staging" / "drops").glob("*/tree")) / "big.dat"
    waited = threading.Event()
    while not brought.exists() or brought.stat().st_size < 1_000_000:
        assert client.poll() is None
        waited.wait(0.02)
    os.kill(client.pid, signal.SIGKILL)
    client.wait(PATIENCE)
    client.stdin.close()
    site.sftp(f"reput big.dat {EXAM}/big.dat")
    site.sftp(f"get {EXAM}/big.dat back.dat")
    assert (site.folder / "back.dat").read_bytes() == big.read_bytes()


def test_who_is_no_user_of_the_archive_has_no_folder(site: Site) -> None:
    assert pwd.getpwnam(SCANNER).pw_shell.endswith("nologin")
    site.built.revoke(SCANNER, STUDY)
    assert eventually(lambda: STUDY not in site.sftp("ls -1"))
    site.sftp(f"mkdir {EXAM}", status=1)
