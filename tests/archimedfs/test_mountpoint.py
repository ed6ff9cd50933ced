"""Folders to mount on: what is refused, and that the refusal says what to do."""

import signal
import subprocess
from pathlib import Path

import pytest

from archimedfs import mountpoint
from catalog.pure.errors import Refused
from tests.archimedfs.mounts import TIMEOUT, RunningMount, needs_fuse, running_mount
from tests.builders import BuiltArchive


def refusal(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        mountpoint.check(path)
    return str(caught.value)


@needs_fuse
def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    mountpoint.check(tmp_path)
    assert not mountpoint.is_mounted(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert f"mkdir {tmp_path}/nothing" in refusal(tmp_path / "nothing")


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "not a folder" in refusal(tmp_path / "file")
    assert "cannot be used" in refusal(tmp_path / "file" / "below")


def test_a_folder_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "not empty" in refusal(tmp_path)


def test_a_machine_without_fuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mountpoint, "_DEVICE", tmp_path / "nothing")
    (tmp_path / "mount").mkdir()
    assert "modprobe fuse" in refusal(tmp_path / "mount")


@pytest.mark.parametrize("name", ["mount", "with space", "tab\tnewline\n", "back\\slash", "ümlaut", "comma,equals=#"])
@needs_fuse
def test_a_mount_is_found_whatever_its_name(built: BuiltArchive, tmp_path: Path, name: str) -> None:
    built.user("anna")
    (tmp_path / "link").symlink_to(tmp_path / name)
    with running_mount(built, "anna", tmp_path / name):
        assert mountpoint.is_mounted(tmp_path / name)
        assert mountpoint.is_mounted(tmp_path / "link")
        assert not mountpoint.is_mounted(tmp_path)
        assert "fusermount3 -u" in refusal(tmp_path / name)
    assert not mountpoint.is_mounted(tmp_path / name)


@needs_fuse
def test_mounting_twice_is_refused(built: BuiltArchive, tmp_path: Path) -> None:
    built.user("anna")
    with running_mount(built, "anna", tmp_path / "mount") as mount:
        second = RunningMount(built, "anna", tmp_path / "mount")
        try:
            assert second.process.wait(TIMEOUT) == 1
            assert "already mounted" in second.log
        finally:
            second.process.stdout.close()
        assert list(mount.path.iterdir()) == []


@needs_fuse
def test_a_dead_mount_is_recognised_and_can_be_cleared_as_told(built: BuiltArchive, tmp_path: Path) -> None:
    built.user("anna")
    with running_mount(built, "anna", tmp_path / "mount") as mount:
        mount.end(signal.SIGKILL)
        assert mountpoint.is_mounted(mount.path)
        told = refusal(mount.path)
        assert "dead mount" in told
        command = f"fusermount3 -u {mount.path}"
        assert command in told
        subprocess.run(command.split(), check=True, timeout=TIMEOUT)
        assert not mountpoint.is_mounted(mount.path)
        mountpoint.check(mount.path)
