"""What is put into the bin is gone from a mount: by name, in listings, and for whoever has it open."""

import errno
import os
from pathlib import Path

import pytest

from tests.archimedfs.mounts import needs_fuse, running_mount
from tests.behaviour.suite import SERIES, SLICES, eventually, fill
from tests.binning import Binning
from tests.builders import BuiltArchive

pytestmark = needs_fuse


def fails(fd: int) -> bool:
    try:
        os.pread(fd, 100, 0)
    except OSError as error:
        return error.errno == errno.ENOENT
    return False


def test_an_open_file_that_is_binned_gives_an_error_and_others_go_on(built: BuiltArchive, tmp_path: Path) -> None:
    fill(built)
    with running_mount(built, "anna", tmp_path / "mount") as mount:
        series = mount.path / SERIES
        kept, other = (os.open(series / name, os.O_RDONLY) for name in ("00001.dcm", "00002.dcm"))
        try:
            assert os.pread(kept, 100, 0) == SLICES["00001.dcm"]
            entry = Binning(built).put(f"{SERIES}/00001.dcm")
            assert eventually(lambda: fails(kept))
            assert eventually(lambda: "00001.dcm" not in [path.name for path in series.iterdir()])
            with pytest.raises(FileNotFoundError):
                (series / "00001.dcm").stat()
            assert os.pread(other, 200, 0) == SLICES["00002.dcm"], "what is not binned stays open"
            Binning(built).restore(entry.id)
            assert eventually((series / "00001.dcm").exists)
            assert (series / "00001.dcm").read_bytes() == SLICES["00001.dcm"]
        finally:
            os.close(kept)
            os.close(other)


def test_a_whole_exam_goes_at_once(built: BuiltArchive, tmp_path: Path) -> None:
    fill(built)
    with running_mount(built, "anna", tmp_path / "mount") as mount:
        exam = (mount.path / SERIES).parent
        kept = os.open(mount.path / SERIES / "00003.dcm", os.O_RDONLY)
        try:
            assert os.pread(kept, 4, 0) == SLICES["00003.dcm"][:4]
            Binning(built).put("/".join(SERIES.split("/")[:2]))
            assert eventually(lambda: not exam.exists())
            assert eventually(lambda: fails(kept))
        finally:
            os.close(kept)
