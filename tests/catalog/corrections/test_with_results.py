"""A series that moves takes along what was made of it: audited, told to the store, whole or not at all."""

import pytest

from catalog.audit import entries
from catalog.gate.drops.inbox import Inbox
from catalog.store import records
from catalog.view.view import Origin
from tests.catalog.corrections.test_corrections import (
    STUDY,
    Gate,
    archived,
    die_before_the_commit,
    done,
    from_store,
    let_its_lease_run_out,
    of,
)
from tests.catalog.gate.publish.test_results import below, bring, result
from tests.synthetic import image

__all__ = ["archived"]

SERIES, SEG = "003_DCM_MR_t1_mprage_sag", "003_RESULT_seg"
FILES = {"seg.nii": b"voxels", "stats/areas.csv": b"left,1\n"}


@pytest.fixture
def scanned(archived: Gate) -> Gate:
    archived.published(image(instance=7, series=4))
    return archived


@pytest.fixture
def measured(scanned: Gate, inbox: Inbox) -> Gate:
    """Give an exam of two series, of which one has two versions of a result."""
    bring(scanned, inbox, result(FILES))
    bring(scanned, inbox, result({"seg.nii": b"better"}))
    return scanned


def origin(gate: Gate, path: str) -> Origin:
    view = gate.view()
    found = view.origin(view.resolve(f"{STUDY}/{path}").id)
    assert found is not None
    return found


def test_results_go_with_their_series(measured: Gate) -> None:
    ended = done(measured, of(measured).move_series(f"{STUDY}/E001/{SERIES}", "E007", "third visit"))
    assert (ended.state, ended.problem) == ("done", "")
    assert measured.names(f"{STUDY}/E007") == [SERIES, SEG, f"{SEG}_2"]
    assert measured.names(f"{STUDY}/E001") == ["004_DCM_MR_t1_mprage_sag"]
    assert below(measured, f"{STUDY}/E007/{SEG}") == FILES
    assert below(measured, f"{STUDY}/E007/{SEG}_2") == {"seg.nii": b"better"}
    assert {origin(measured, f"E007/{name}").made_of for name in (SEG, f"{SEG}_2")} == {SERIES}
    told = {
        f"{e['exam']}/{e['series']}/{e['name']}" for e in records.manifests(measured.store, STUDY) if e["file_type"] == "RESULT"
    }
    assert told == {f"E007/{SEG}/seg.nii", f"E007/{SEG}/stats/areas.csv", f"E007/{SEG}_2/seg.nii"}
    entry = entries(measured.database)[-1]
    assert (entry.action, entry.detail["series"]) == ("correct.done", 3)


def test_a_result_whose_name_is_taken_gets_a_count_and_keeps_its_series(measured: Gate, inbox: Inbox) -> None:
    measured.published(image(instance=1, study="7"), exam="E007")
    bring(measured, inbox, result({"seg.nii": b"other"}), exam="E007")
    done(measured, of(measured).move_series(f"{STUDY}/E001/{SERIES}", "E007", "third visit"))
    assert measured.names(f"{STUDY}/E007") == [SERIES, f"{SERIES}_2", SEG, f"{SEG}_2", f"{SEG}_2_2"]
    assert origin(measured, f"E007/{SEG}").made_of == SERIES
    assert origin(measured, f"E007/{SEG}_2").made_of == f"{SERIES}_2"
    assert below(measured, f"{STUDY}/E007/{SEG}") == {"seg.nii": b"other"}


def test_a_result_that_moves_alone_is_one_of_the_series_beside_it(measured: Gate) -> None:
    done(measured, of(measured).move_series(f"{STUDY}/E001/{SEG}", "E002", "of that visit"))
    assert origin(measured, f"E002/{SEG}").made_of == "", "that exam has no series 3"
    measured.published(image(instance=1, study="8"), exam="E008")
    done(measured, of(measured).move_series(f"{STUDY}/E002/{SEG}", "E008", "of that visit"))
    assert origin(measured, f"E008/{SEG}").made_of == SERIES
    assert measured.names(f"{STUDY}/E001") == [SERIES, f"{SEG}_2", "004_DCM_MR_t1_mprage_sag"]


def tree_of_exams(gate: Gate) -> dict[str, list[str]]:
    return {exam: gate.names(f"{STUDY}/{exam}") for exam in gate.names(STUDY)}


def test_a_worker_that_dies_moves_all_or_nothing(measured: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree_of_exams(measured)
    info = of(measured).move_series(f"{STUDY}/E001/{SERIES}", "E007", "third visit")
    die_before_the_commit(measured, monkeypatch)
    assert tree_of_exams(measured) == before
    let_its_lease_run_out(measured)
    assert done(measured, info).state == "done"
    assert tree_of_exams(measured)["E007"] == [SERIES, SEG, f"{SEG}_2"]
    assert {place.rpartition("/")[0] for place in from_store(measured)} >= {f"E007/{SERIES}", f"E007/{SEG}/stats"}
