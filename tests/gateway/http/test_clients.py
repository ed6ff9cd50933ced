"""Programs that people use, against the real server."""

import filecmp
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from catalog.pure.nodes import Node
from catalog.view import View
from tests.behaviour.suite import BIG, BIG_FOLDER, BIG_FOLDER_FILES, ODD, SERIES, SLICES, STUDY
from tests.gateway.http.programs import PATIENCE, davfs_mount, run
from tests.gateway.http.serving import Serving


def curl(serving: Serving, path: str, *options: str | Path) -> str:
    login = f"{serving.login}:{serving.token}"
    return run("curl", "--silent", "--show-error", "--fail", "--globoff", "--user", login, *options, serving.url + path)


def test_curl_resumes_and_asks_only_for_what_changed(serving: Serving, tmp_path: Path) -> None:
    path, got, etag = f"/archive/{quote(ODD)}/00001.dcm", tmp_path / "got", tmp_path / "etag"
    got.write_bytes(BIG[:1_234_567])
    curl(serving, path, "--output", got, "--continue-at", "-")
    assert got.read_bytes() == BIG
    again = ("--etag-save", etag, "--output", got, "--write-out", "%{http_code} %{size_download}")
    assert curl(serving, path, *again) == f"200 {len(BIG)}"
    assert curl(serving, path, "--etag-compare", etag, *again) == "304 0"
    assert curl(serving, path, "--time-cond", got, "--output", tmp_path / "new", "--write-out", "%{http_code}") == "304"


def test_wget_copies_a_series_without_an_index(serving: Serving, tmp_path: Path) -> None:
    login = ("--user", serving.login, "--password", serving.token, "--auth-no-challenge")
    how = ("--quiet", "--recursive", "--no-parent", "--no-host-directories", "--cut-dirs", "1", "--reject", "index.html*")
    run("wget", *login, *how, f"{serving.url}/archive/{SERIES}/", cwd=tmp_path)
    assert {file.name for file in tmp_path.rglob("*") if file.is_file()} == set(SLICES)


def test_cadaver_walks_and_gets(serving: Serving, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login {serving.login} password {serving.token}\n")
    (tmp_path / ".netrc").chmod(0o600)
    script = f"ls\ncd {SERIES}\nls\nget 00007.dcm got.dcm\nput got.dcm new.dcm\ndelete 00007.dcm\nquit\n"
    told = run(
        "cadaver",
        serving.url + "/archive/",
        input=script,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "LC_ALL": "C"},
    )
    assert (tmp_path / "got.dcm").read_bytes() == SLICES["00007.dcm"]
    assert STUDY in told
    assert "00020.dcm" in told
    assert told.count("403 FORBIDDEN") == 2


@pytest.fixture
def rclone(serving: Serving, tmp_path: Path) -> list[str]:
    """Return the beginning of an rclone command line that knows the remote `archive:`."""
    obscured = run("rclone", "obscure", serving.token).strip()
    (tmp_path / "rclone.conf").write_text(
        f"[archive]\ntype = webdav\nurl = {serving.url}/archive\nvendor = other\nuser = {serving.login}\npass = {obscured}\n"
    )
    return ["rclone", "--config", str(tmp_path / "rclone.conf"), "--retries", "1"]


def files_below(view: View, folder: Node, copy: Path) -> Iterator[tuple[Path, Node]]:
    for node in view.walk(folder.id):
        if node.is_folder:
            yield from files_below(view, node, copy / node.name)
        else:
            yield copy / node.name, node


def test_rclone_copies_what_the_view_holds(serving: Serving, rclone: list[str], tmp_path: Path) -> None:
    run(*rclone, "copy", f"archive:{STUDY}/E001", tmp_path / "copy")
    view = serving.built.view("anna")
    compared = 0
    for path, file in files_below(view, view.resolve(f"{STUDY}/E001"), tmp_path / "copy"):
        stored = view.open(file.id)
        assert path.read_bytes() == stored.read_at(0, file.size)
        stored.close()
        assert int(path.stat().st_mtime) == file.mtime
        compared += 1
    assert compared >= len(SLICES) + 4
    assert compared == sum(1 for path in (tmp_path / "copy").rglob("*") if path.is_file())
    told = run(*rclone, "check", "--download", f"archive:{STUDY}/E001", tmp_path / "copy")
    assert "0 differences found" in told


def test_rclone_lists_a_large_folder(rclone: list[str]) -> None:
    listed = run(*rclone, "lsf", f"archive:{BIG_FOLDER}").splitlines()
    assert listed == [f"{number:05d}.raw" for number in range(1, BIG_FOLDER_FILES + 1)]


def test_rclone_is_refused_when_it_writes(serving: Serving, rclone: list[str], tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("new")
    done = subprocess.run(
        [*rclone, "copy", tmp_path / "new.txt", f"archive:{STUDY}/E001"], capture_output=True, timeout=PATIENCE
    )
    assert done.returncode != 0
    assert b"403" in done.stderr


@pytest.fixture
def davfs(serving: Serving) -> Iterator[Path]:
    with davfs_mount(serving, "archive", "ro", "use_locks 0") as mount:
        yield mount


def test_davfs2_mounts_it_as_a_folder(serving: Serving, davfs: Path) -> None:
    assert sorted(path.name for path in davfs.iterdir() if path.name != "lost+found") == [STUDY, "2010-A.7"]
    series = davfs / SERIES
    assert sorted(path.name for path in series.iterdir()) == sorted(SLICES)
    assert {path.name: path.read_bytes() for path in series.iterdir()} == SLICES
    assert len(list((davfs / BIG_FOLDER).iterdir())) == BIG_FOLDER_FILES
    copied = serving.built.folder / "copied"
    shutil.copyfile(davfs / ODD / "00001.dcm", copied)
    assert filecmp.cmp(copied, davfs / ODD / "00001.dcm", shallow=False)
    assert copied.read_bytes() == BIG
    assert not (davfs / "SECRET").exists()
