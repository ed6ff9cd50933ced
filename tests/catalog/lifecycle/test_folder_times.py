"""A folder's times change when something appears in it or leaves it, and then only; files keep theirs."""

from collections.abc import Callable

import pytest

from catalog import administration, clock
from catalog.corrections.requests import Corrections
from catalog.derived import touch
from catalog.gate.drops.inbox import Inbox
from catalog.gate.publish.results import FolderRows
from catalog.lifecycle.bin import Bin, KeepFor
from catalog.pure.access import Role
from catalog.pure.nodes import ROOT_ID, NodeId
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.catalog.gate.publish.test_results import bring, result
from tests.synthetic import image

IMAGES = "003_DCM_MR_t1_mprage_sag"
RESULT = "003_RESULT_seg"
WHY = "wrong"


def times(gate: Gate) -> dict[str, tuple[int, int]]:
    """Return mtime and ctime of all that the archive shows, by path below the study."""
    view = gate.built.archive.view(administration.principal(gate.database, "ada"))
    found = {}

    def below(folder: NodeId, path: str) -> None:
        for node in view.walk(folder):
            found[path + node.name] = (node.mtime, node.changed)
            if node.is_folder:
                below(node.id, f"{path}{node.name}/")

    below(ROOT_ID, "")
    return {path.removeprefix(STUDY).lstrip("/"): when for path, when in found.items()}


@pytest.fixture
def changed(gate: Gate) -> Callable[[Callable[[], object]], set[str]]:
    """Do something, and return what is there before and after and has other times, which are newer; a folder has one time."""

    def of(do: Callable[[], object]) -> set[str]:
        before = times(gate)
        do()
        after = times(gate)
        both = {path for path in before if path in after and before[path] != after[path]}
        for path in both:
            assert after[path] > before[path]
            assert after[path][0] == after[path][1]
        return both

    return of


Changed = Callable[[Callable[[], object]], set[str]]


def test_publishing_counts_where_it_adds(gate: Gate, changed: Changed) -> None:
    gate.published(image(instance=1))
    assert changed(lambda: gate.published(image(instance=2))) == {f"E001/{IMAGES}"}
    assert changed(lambda: gate.published(image(instance=2))) == set(), "it is there already"
    assert changed(lambda: gate.published(image(series=4, instance=1))) == {"E001"}
    assert changed(lambda: gate.published(image(instance=1, study="7"), exam="E002")) == {""}


@pytest.fixture
def scanned(gate: Gate) -> Gate:
    gate.published(image(instance=1))
    return gate


def test_a_result_counts_in_its_exam(scanned: Gate, inbox: Inbox, changed: Changed) -> None:
    assert changed(lambda: bring(scanned, inbox, result({"a.nii": b"voxels", "stats/left/a.csv": b"1\n"}))) == {"E001"}


def test_folders_of_a_result_count_each_alone(scanned: Gate, inbox: Inbox, changed: Changed) -> None:
    bring(scanned, inbox, result({"stats/left/a.csv": b"1\n"}))
    row = scanned.view().resolve(f"{STUDY}/E001/{RESULT}").id.row

    def add(*way: str) -> None:
        with scanned.database.write() as connection:
            rows = FolderRows(connection, row, clock.now())
            rows.key(way[:-1], way[-1])
            touch(connection, rows.touched, clock.now())

    assert changed(lambda: add("b.nii")) == {f"E001/{RESULT}"}
    assert changed(lambda: add("stats", "b.csv")) == {f"E001/{RESULT}/stats"}
    assert changed(lambda: add("stats", "left", "deep", "b.csv")) == {f"E001/{RESULT}/stats/left"}
    assert changed(lambda: add("other", "b.csv")) == {f"E001/{RESULT}"}


def test_corrections_count_on_both_sides(gate: Gate, changed: Changed) -> None:
    gate.published(image(instance=1))
    gate.published(image(series=4, instance=1))
    gate.published(image(instance=1, study="7"), exam="E002")
    asked = Corrections(gate.database, ROOT, None)

    def correct(ask: Callable[..., object], *values: str) -> None:
        ask(*values)
        gate.work()

    assert changed(lambda: correct(asked.rename_exam, f"{STUDY}/E002", "E003", WHY)) == {""}
    series = f"{STUDY}/E001/004_DCM_MR_t1_mprage_sag"
    assert changed(lambda: correct(asked.describe_series, series, "knee", WHY)) == {"E001"}
    assert changed(lambda: correct(asked.move_series, f"{STUDY}/E001/004_DCM_MR_knee", "E003", WHY)) == {"E001", "E003"}
    assert changed(lambda: correct(asked.move_series, f"{STUDY}/E003/004_DCM_MR_knee", "E009", WHY)) == {"", "E003"}


@pytest.mark.parametrize(
    ("path", "touched"), [("E001", {""}), (f"E001/{IMAGES}", {"E001"}), (f"E001/{IMAGES}/00001.dcm", {f"E001/{IMAGES}"})]
)
def test_the_bin_counts_when_it_takes_and_when_it_gives_back(
    gate: Gate, changed: Changed, path: str, touched: set[str]
) -> None:
    administration.add_user(gate.database, ROOT, "root", Role.ADMINISTRATOR)
    gate.published(image(instance=1), image(instance=2), image(series=4, instance=1))
    gate.published(image(instance=1, study="7"), exam="E002")
    bin_ = Bin(gate.database, ROOT, None, KeepFor())
    files = {name: when for name, when in times(gate).items() if name.endswith(".dcm")}

    def put() -> None:
        bin_.put([f"{STUDY}/{path}"], WHY)
        gate.work()

    def restore() -> None:
        bin_.restore(bin_.entries()[0].id)
        gate.work()

    assert changed(put) == touched
    assert changed(restore) == touched
    assert {name: when for name, when in times(gate).items() if name.endswith(".dcm")} == files
    put()

    def purge() -> None:
        bin_.purge(bin_.entries()[0].id, WHY)
        gate.work()

    assert changed(purge) == set(), "it had left already"
