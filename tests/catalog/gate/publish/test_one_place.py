"""One DICOM instance has one place in a study, and the report says what happens."""

import sqlalchemy as sa

from catalog import administration
from catalog.database.tables import files, staged_files
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import ROOT as UIDS
from tests.synthetic import image

SAME = f"{UIDS}.7.7.7"
PATTERN = "schema = 1\nsubject = '(P[0-9]+)-V[0-9]+'\n"


def places(gate: Gate) -> int:
    row = gate.database.row(sa.select(sa.func.count()).select_from(files))
    return int(row[0]) if row is not None else 0


def held(gate: Gate, batch: int) -> list[str]:
    """Return why files of a batch were not published: they wait in a batch that follows it."""
    rest = [info.id for info in gate.review.list() if info.follows == batch]
    rows = gate.database.rows(sa.select(staged_files.c.reason).where(staged_files.c.batch_id.in_(rest)))
    return [row.reason for row in rows]


def duplicates(gate: Gate, batch: int) -> str:
    return " ".join(one["message"] for one in gate.review.info(batch).findings if one["check"] == "duplicates")


def test_in_two_series_of_a_batch_only_the_first_that_came_is_archived(gate: Gate) -> None:
    batch = gate.checked(image(series=5, SOPInstanceUID=SAME), image(series=4, instance=2, SOPInstanceUID=SAME)).id
    assert "only the first will be archived" in duplicates(gate, batch)
    gate.review.accept(batch, STUDY, "E001")
    gate.work()
    assert places(gate) == 1
    assert gate.names(f"{STUDY}/E001") == ["005_DCM_MR_t1_mprage_sag"]
    (reason,) = held(gate, batch)
    assert "has other content" in reason


def test_in_another_series_of_an_exam_it_is_told_by_a_recheck_and_held(gate: Gate) -> None:
    gate.published(image(SOPInstanceUID=SAME))
    batch = gate.checked(image(series=4, instance=2, SOPInstanceUID=SAME), image(series=4, instance=3)).id
    gate.review.recheck(batch, STUDY, "E001")
    gate.work()
    assert "1 of the files is archived in exam E001 of this study already" in duplicates(gate, batch)
    gate.review.accept(batch, STUDY, "E001")
    gate.work()
    assert places(gate) == 2
    assert len(held(gate, batch)) == 1


def test_in_another_exam_of_the_subject_it_is_held_also_without_a_recheck(gate: Gate) -> None:
    administration.set_study(gate.database, gate.store, ROOT, STUDY, profile=PATTERN)
    gate.published(image(SOPInstanceUID=SAME), exam="P01-V1")
    batch = gate.published(image(instance=2, SOPInstanceUID=SAME), image(instance=3), exam="P01-V2").id
    assert places(gate) == 2
    assert len(held(gate, batch)) == 1


def test_other_studies_have_places_of_their_own(gate: Gate) -> None:
    gate.published(image(SOPInstanceUID=SAME))
    gate.published(image(SOPInstanceUID=SAME), study="other")
    assert places(gate) == 2
