"""`archimed mount-staging` as a user runs it: files dropped in, sealed, checked, published."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.behaviour.dropping import STUDY, fill
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused
from tests.synthetic import image

pytestmark = pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="this machine has no /dev/fuse")


@pytest.fixture
def mountpoint(built: BuiltArchive, tmp_path: Path) -> Iterator[Path]:
    """Give a folder to mount on; nothing stays mounted."""
    fill(built)
    folder = tmp_path / "staging"
    folder.mkdir()
    yield folder
    if str(folder) in {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}:
        subprocess.run(["fusermount3", "-u", "-z", folder], check=True, timeout=30)


def test_the_whole_way(archimed: Run, mountpoint: Path, tmp_path: Path) -> None:
    done(archimed("init"))
    out = done(archimed("mount-staging", mountpoint.name, "--user", "anna", "--log-file", "mount.log"))
    assert out == f"mounted {mountpoint} for anna; unmount with: fusermount3 -u {mountpoint}\n"
    exam = mountpoint / STUDY / "E001"
    (exam / "Meier_Hans").mkdir(parents=True)
    for number in (1, 2):
        (exam / "Meier_Hans" / f"{number}.dcm").write_bytes(image(instance=number))
    with (exam / "Meier_Hans" / "3.dcm").open("wb") as file:
        assert "still open" in refused(archimed("staging", "seal", "1", "--as", "anna"))
        file.write(image(instance=3))
    done(archimed("staging", "seal", "1", "--as", "anna"))
    assert "Files:    3" in (exam / "_REPORT.txt").read_text()
    with pytest.raises(OSError, match="Read-only"):
        (exam / "Meier_Hans" / "1.dcm").unlink()
    done(archimed("staging", "accept", "1", "--study", STUDY, "--exam", "E001", "--wait", "--as", "anna"))
    assert done(archimed("ls", f"{STUDY}/E001/003_DCM_MR_t1_mprage_sag", "--as", "anna")).split() == [
        "00001.dcm", "00002.dcm", "00003.dcm",
    ]  # fmt: skip
    assert "Meier" not in done(archimed("audit", "--json"))
    subprocess.run(["fusermount3", "-u", mountpoint], check=True, timeout=30)
    assert "Traceback" not in (tmp_path / "mount.log").read_text()
    assert "Meier" not in (tmp_path / "mount.log").read_text()


def test_a_role_that_brings_nothing_has_an_empty_folder(archimed: Run, mountpoint: Path) -> None:
    done(archimed("init"))
    done(archimed("mount-staging", mountpoint.name, "--user", "lea"))
    assert list(mountpoint.iterdir()) == []
    subprocess.run(["fusermount3", "-u", mountpoint], check=True, timeout=30)


def test_the_staging_folder_must_be_there(archimed: Run, mountpoint: Path, built: BuiltArchive) -> None:
    (built.folder / "var" / "staging").rename(built.folder / "var" / "away")
    assert "staging" in refused(archimed("mount-staging", mountpoint.name, "--user", "anna"))
