"""Programs that people bring files with, against the real server."""

import filecmp
import hashlib
import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.administration import principal
from catalog.gate.drops.inbox import Inbox, Inboxes
from catalog.gate.drops.quota import Limits
from tests.behaviour.dropping import EXAM, staging_of
from tests.gateway.http.programs import davfs_mount, run
from tests.gateway.http.serving import Serving
from tests.gateway.http.staging.conftest import FOLDER
from tests.gateway.http.staging.test_put import content, left_over

NAMES = ["plain.txt", "Größe é 日本.dat", "a b+c&d=e;f'g#h%20.bin", "sub/deep/er/x.raw", "sub/leer"]


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    """Make a folder of files as people have them."""
    folder = tmp_path / "brought"
    for number, name in enumerate(NAMES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name.endswith("leer") else random.Random(number).randbytes(100_000 * number + 7))
        os.utime(path, (1_234_567_890 + number, 1_234_567_890 + number))
    return folder


@pytest.fixture(params=["other", "owncloud"])
def rclone(request: pytest.FixtureRequest, taking: Serving, tmp_path: Path) -> list[str]:
    """Return the beginning of an rclone command line that knows the remote `staging:`."""
    obscured = run("rclone", "obscure", taking.token).strip()
    (tmp_path / "rclone.conf").write_text(
        f"[staging]\ntype = webdav\nurl = {taking.url}/staging\nvendor = {request.param}\n"
        f"user = {taking.login}\npass = {obscured}\n"
    )
    return ["rclone", "--config", str(tmp_path / "rclone.conf"), "--retries", "1"]


def test_rclone_copies_checks_and_syncs(taking: Serving, rclone: list[str], brought: Path) -> None:
    run(*rclone, "copy", brought, f"staging:{EXAM}/in")
    assert "0 differences found" in run(*rclone, "check", "--download", brought, f"staging:{EXAM}/in")
    shutil.rmtree(brought / "sub")
    (brought / "plain.txt").write_text("another text")
    (brought / "new").mkdir()
    (brought / "new" / "file").write_text("new")
    run(*rclone, "sync", brought, f"staging:{EXAM}/in")
    assert "0 differences found" in run(*rclone, "check", "--download", brought, f"staging:{EXAM}/in")
    assert content(taking, f"{FOLDER}/in/sub/deep/er/x.raw") is None
    assert content(taking, f"{FOLDER}/in/plain.txt") == b"another text"


def test_rclone_keeps_times(taking: Serving, rclone: list[str], brought: Path) -> None:
    if "owncloud" not in Path(rclone[2]).read_text():
        pytest.skip("rclone sends times to servers that it knows by name")
    run(*rclone, "copy", brought, f"staging:{EXAM}/in")
    listed = run(*rclone, "lsf", "--format", "tp", "--separator", "|", "--recursive", "--files-only", f"staging:{EXAM}/in")
    times = {line.split("|")[1]: line.split("|")[0] for line in listed.splitlines()}
    assert set(times) == set(NAMES)
    assert all(time.startswith("2009-02-1") for time in times.values())


def test_rclone_checks_by_digests(taking: Serving, rclone: list[str], brought: Path) -> None:
    """Without reading anything again; and what was changed since is not called the same."""
    if "owncloud" not in Path(rclone[2]).read_text():
        pytest.skip("rclone asks servers for digests that it knows by name")
    run(*rclone, "copy", brought, f"staging:{EXAM}/in")
    checked = run(*rclone, "check", "-v", brought, f"staging:{EXAM}/in")
    assert "0 differences found" in checked
    assert "hashes could not be checked" not in checked
    digest = hashlib.sha1((brought / "plain.txt").read_bytes(), usedforsecurity=False).hexdigest()
    assert digest in run(*rclone, "hashsum", "sha1", f"staging:{EXAM}/in")
    handle = taking_inbox(taking).write((*EXAM.split("/"), "in", "plain.txt"))
    handle.write(b"X", 0)
    handle.close()
    assert digest not in run(*rclone, "hashsum", "sha1", f"staging:{EXAM}/in")


def taking_inbox(taking: Serving) -> Inbox:
    """Return anna's staging tree as another face of it sees it."""
    database = taking.built.database
    return Inboxes(database, staging_of(taking.built), Limits()).of(principal(database, "anna"))


def curl(taking: Serving, *options: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--globoff", "--user", f"{taking.login}:{taking.token}", *map(str, options)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_curl_puts_a_file_and_is_aborted(taking: Serving, tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(200 << 20)
    done = curl(taking, "--fail", "--upload-file", big, f"{taking.url}{FOLDER}/", "--write-out", "%{http_code}")
    assert (done.returncode, done.stdout) == (0, "201")
    assert taking.request("HEAD", f"{FOLDER}/big").headers["Content-Length"] == str(200 << 20)
    # From a pipe, without a length: chunked.
    piped = subprocess.run(
        ["curl", "--silent", "--fail", "--user", f"{taking.login}:{taking.token}", "-T", "-", f"{taking.url}{FOLDER}/piped"],
        input=b"x" * 3_000_000, timeout=120, check=True,
    )  # fmt: skip
    assert piped.returncode == 0
    assert content(taking, f"{FOLDER}/piped") == b"x" * 3_000_000
    slow = subprocess.Popen(
        ["curl", "--silent", "--user", f"{taking.login}:{taking.token}", "--limit-rate", "10M", "-T", str(big),
         f"{taking.url}{FOLDER}/aborted"]
    )  # fmt: skip
    waited = threading.Event()
    while sum(path.stat().st_size for path in left_over(taking)) < 1_000_000:
        assert slow.poll() is None
        waited.wait(0.01)
    os.kill(slow.pid, signal.SIGKILL)
    slow.wait(30)
    while left_over(taking):
        waited.wait(0.01)
    assert content(taking, f"{FOLDER}/aborted") is None


def test_cadaver_brings_locks_and_moves(taking: Serving, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login {taking.login} password {taking.token}\n")
    (tmp_path / ".netrc").chmod(0o600)
    (tmp_path / "a.dat").write_bytes(b"brought")
    script = (
        "mkcol sub\ncd sub\nput a.dat\nlock a.dat\nput a.dat\nunlock a.dat\npropset a.dat colour red\npropget a.dat colour\n"
        "copy a.dat b.dat\nmove b.dat c.dat\ndelete a.dat\nls\nquit\n"
    )
    told = run(
        "cadaver", f"{taking.url}{FOLDER}/", input=script, cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "LC_ALL": "C"},
    )  # fmt: skip
    assert "failed" not in told, told
    assert "red" in told
    assert content(taking, f"{FOLDER}/sub/c.dat") == b"brought"
    assert content(taking, f"{FOLDER}/sub/a.dat") is None


@pytest.fixture
def davfs(taking: Serving) -> Iterator[Path]:
    """Mount staging with davfs2, with its locks."""
    with davfs_mount(taking, "staging", "rw", "delay_upload 0") as mount:
        yield mount


def test_davfs2_copies_in(taking: Serving, davfs: Path, brought: Path) -> None:
    target = davfs / EXAM / "in"
    run("cp", "-r", brought, target)
    (target / "plain.txt").rename(target / "renamed.txt")
    (target / "sub" / "leer").unlink()
    run("umount", davfs)  # which waits until all is brought
    run("mount", "-t", "davfs", "-o", f"rw,conf={davfs.parent / 'conf'}", f"{taking.url}/staging/", davfs)
    (brought / "plain.txt").rename(brought / "renamed.txt")
    (brought / "sub" / "leer").unlink()
    compared = [path for path in brought.rglob("*") if path.is_file()]
    assert len(compared) == len(NAMES) - 1
    for path in compared:
        assert filecmp.cmp(path, target / path.relative_to(brought), shallow=False)
    assert not (target / "sub" / "leer").exists()
