"""Discs: their index is compared with what came and never published, whoever made it and however broken it is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.gate.drops.inbox import Inbox
from catalog.pure.batches import State
from catalog.pure.checks.discs import Disc, findings_of, missing, unnamed
from tests.catalog.gate.conftest import STUDY, Gate, put
from tests.synthetic import image

IMAGES = [image(instance=number) for number in range(1, 6)]


def by_pydicom(folder: Path) -> None:
    written = folder.parent / "written"
    written.mkdir()
    for number, content in enumerate(IMAGES):
        (written / str(number)).write_bytes(content)
    # A program of its own: a file set leaves its folders to the garbage collector, which warns.
    program = (
        "import sys; from pydicom.fileset import FileSet; files = FileSet(); "
        "[files.add(path) for path in sys.argv[2:]]; files.write(sys.argv[1])"
    )
    paths = map(str, sorted(written.iterdir()))
    subprocess.run([sys.executable, "-c", program, str(folder), *paths], check=True, timeout=60, capture_output=True)


def by_dcmtk(folder: Path) -> None:
    (folder / "IMAGES").mkdir(parents=True)
    names = [f"IMAGES/IM{number}" for number in range(1, 6)]
    for name, content in zip(names, IMAGES, strict=True):
        (folder / name).write_bytes(content)
    subprocess.run(["dcmmkdir", "--invent", *names], cwd=folder, check=True, timeout=60, capture_output=True)


def read(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(params=[by_pydicom, by_dcmtk])
def disc(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, bytes]:
    folder = tmp_path / "disc"
    request.param(folder)
    found = read(folder)
    assert len(found) == 6
    return found


def checked(gate: Gate, inbox: Inbox, files: dict[str, bytes], folder: str = "CD 1/") -> int:
    for name, content in files.items():
        put(inbox, f"{folder}{name}", content)
    batch = gate.review.list()[-1].id
    gate.review.seal(batch)
    gate.work()
    return batch


def of_disc(gate: Gate, batch: int) -> list[str]:
    return [finding["message"] for finding in gate.review.info(batch).findings if finding["check"] == "disc"]


@pytest.mark.parametrize("folder", ["CD 1/", ""])
def test_a_whole_disc_is_published_without_its_index(gate: Gate, inbox: Inbox, disc: dict[str, bytes], folder: str) -> None:
    batch = checked(gate, inbox, disc, folder)
    assert of_disc(gate, batch) == []
    gate.review.accept(batch, STUDY, "E001")
    gate.work()
    (series,) = gate.names(f"{STUDY}/E001")
    assert len(gate.names(f"{STUDY}/E001/{series}")) == 5
    assert gate.review.list()[-1].id == batch, "nothing of it is left"


def test_what_is_missing_and_what_is_too_much_is_told(gate: Gate, inbox: Inbox, disc: dict[str, bytes]) -> None:
    *_, second_last, last = sorted(name for name in disc if name != "DICOMDIR")
    files = {name.lower(): content for name, content in disc.items() if name not in {second_last, last}}
    batch = checked(gate, inbox, files | {"more/IM99": image(instance=99), "autorun.inf": b"[autorun]\n"})
    lacking, extra = of_disc(gate, batch)
    assert lacking.startswith("2 files of the 5 that this index of a disc names are missing (by its order: 4, 5)")
    assert extra.startswith("1 DICOM file beside this index of a disc is not named by it")
    assert last not in json.dumps(gate.review.info(batch).findings), "names stay in staging"
    assert last in gate.staging.notes.read_report(batch)
    gate.review.recheck(batch)
    gate.work()
    assert len(of_disc(gate, batch)) == 2, "checking again says it again"


def test_a_broken_index_stays_out_and_harms_nothing(gate: Gate, inbox: Inbox, disc: dict[str, bytes]) -> None:
    whole = disc["DICOMDIR"]
    broken = {f"cut {at}/DICOMDIR": whole[: len(whole) * at // 10] for at in (3, 6, 9)}
    hostile = whole.replace(b"IMAGE ", b"\xff\xff\xff\xff\xff\xff").replace(b"\x08\x00\x05\x00", b"\xff\xff\xff\x7f")
    images = {name: content for name, content in disc.items() if name != "DICOMDIR"}
    batch = checked(gate, inbox, images | broken | {"odd/DICOMDIR": hostile}, "")
    assert gate.review.info(batch).state is State.CHECKED
    gate.review.accept(batch, STUDY, "E001")
    gate.work()
    (series,) = gate.names(f"{STUDY}/E001")
    assert len(gate.names(f"{STUDY}/E001/{series}")) == 5
    assert {finding["severity"] for finding in gate.review.list()[-1].findings} == {"error"}


_names = st.lists(st.text("abc12", min_size=1, max_size=6), max_size=8)


@given(st.sampled_from(["", "cd"]), _names, _names)
def test_what_is_there_is_not_missing_and_what_is_named_is_not_too_much(
    folder: str, named: list[str], there: list[str]
) -> None:
    within = [f"{folder}/{name}" if folder else name for name in there]
    disc = Disc(1, folder, named)
    lacking = missing(disc, within)
    assert {name for _, name in lacking} <= set(named) - set(there)
    assert missing(disc, [f"{folder}/{name}" if folder else name for name in named]) == []
    assert unnamed(Disc(1, folder, there), within) == 0
    assert all(named[number - 1] == name for number, name in lacking)
    assert len(list(findings_of(disc, lacking, 2))) == 1 + bool(lacking)


def test_names_count_as_discs_and_systems_write_them() -> None:
    disc = Disc(1, "", ["IMAGES/IM1", "IMAGES/IM2"])
    assert missing(disc, ["images/im1.;1", "Images/IM2;1"]) == []
    assert missing(Disc(1, "", ["../../etc/passwd"]), ["etc/passwd"]) == [(1, "../../etc/passwd")]
