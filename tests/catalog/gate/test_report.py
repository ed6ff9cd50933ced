"""The report beside the staged files: what is in the batch, what was found, who decides."""

import pytest
import sqlalchemy as sa

from catalog import administration
from catalog.database.tables import batches
from catalog.gate.report import bring_up_to_date, write_report
from catalog.gate.staged.notes import BatchNotes
from catalog.pure.batches import State
from catalog.pure.report import ReportData, report
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image


def test_a_report_tells_what_is_there_what_was_found_and_who_decides(gate: Gate) -> None:
    batch = gate.checked(
        *(image(instance=number) for number in (1, 2, 3, 5)), b"no dicom", image(series=4, BurnedInAnnotation="YES")
    ).id
    text = gate.staging.notes.read_report(batch)
    for part in (
        f"Batch {batch}\n", "State:    checked; it waits for a decision", "Files:    6, ",
        f"Next:     ada decides: archimed staging show {batch}",
        "Doe^Jane  HOSP-4711  19610507", "3      DCM_MR     t1_mprage sag", "Errors: these files stay out", "* file 5: ",
        "instance number is missing (4)", "[gaps]", "text may be burned into the pixels", "not scanned for viruses",
    ):  # fmt: skip
        assert part in text, (part, text)


def test_a_report_shows_what_the_profile_does_where_the_study_is_known(gate: Gate) -> None:
    batch = gate.receive(image())
    with gate.database.write() as connection:
        study = sa.text(f"(select id from studies where code = '{STUDY}')")
        connection.execute(batches.update().values(study_id=study, exam_code="E001"))
    gate.review.seal(batch)
    gate.work()
    text = gate.staging.notes.read_report(batch)
    assert f"Batch {batch} for {STUDY}/E001" in text
    assert "De-identification, as the study's profile has it" in text
    assert "3       DCM_MR t1_mprage sag" in text
    (preview,) = gate.review.show(batch).about["preview"]
    assert sum(preview["done"].values()) > 5


def test_a_report_tells_of_the_decision_and_goes_with_the_batch(gate: Gate) -> None:
    batch = gate.checked(image(), image(series=4)).id
    gate.review_of("ada").accept(batch, STUDY, "E001", series=["3"])
    rest = gate.review.list()[-1].id
    assert f"for {STUDY}/E001" in gate.staging.notes.read_report(batch)
    assert "by ada" in gate.staging.notes.read_report(batch)
    assert f"Batch {rest}\n" in gate.staging.notes.read_report(rest)
    gate.work()
    assert gate.staging.notes.read_report(batch) == ""
    gate.review_of("ada").reject(rest, "not ours")
    assert "Reason:   not ours" in gate.staging.notes.read_report(rest)
    gate.deadlines.expire_rejected()
    gate.work()
    assert gate.staging.notes.read_report(rest) == ""


class _DiedError(Exception):
    """What ends the process between a commit and its files."""


def died(*_: object) -> None:
    raise _DiedError


def test_what_a_crash_left_unwritten_is_written_by_the_next_worker(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = gate.checked(image(), image(series=4)).id
    with monkeypatch.context() as patch:
        patch.setattr(BatchNotes, "copy_about", died)
        with pytest.raises(_DiedError):
            gate.review_of("ada").accept(batch, STUDY, "E001", series=["3"])
    rest = gate.review.list()[-1].id
    assert (gate.review.about(rest), "by ada" in gate.staging.notes.read_report(batch)) == ({}, False)
    bring_up_to_date(gate.database, gate.staging)
    assert gate.review.about(rest)["patients"]
    assert "by ada" in gate.staging.notes.read_report(batch)
    assert f"Batch {rest}\n" in gate.staging.notes.read_report(rest)


def test_identities_are_handed_on_before_they_are_erased(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = gate.checked(image(), image(series=4)).id
    with monkeypatch.context() as patch:
        patch.setattr(BatchNotes, "copy_about", died)
        with pytest.raises(_DiedError):
            gate.review.accept(batch, STUDY, "E001", series=["3"])
    gate.work()
    assert gate.review.about(batch) == {}
    assert gate.review.about(gate.review.list()[-1].id)["patients"]


def test_a_report_of_a_batch_that_is_erased_meanwhile_does_not_stay(gate: Gate) -> None:
    batch = gate.published(image()).id
    write_report(gate.database, gate.staging, batch)
    assert gate.staging.notes.read_report(batch) == ""


def test_odd_text_breaks_no_line() -> None:
    data = ReportData(
        1, State.CHECKED, "", "", 1, 1, {"patients": [{"name": "a\nb\x1b[2J", "id": None}]},
        [{"check": "readable", "severity": "error", "message": "why", "file": 7, "series": ""}],
        {7: "x\ny\u202e"}, "who", "", "z\rz",
    )  # fmt: skip
    text = report(data)
    assert "a?b?[2J" in text
    assert "* file 7 (x?y?): why [readable]" in text
    assert "z?z" in text
    assert all(c.isprintable() or c == "\n" for c in text)


def test_siblings_and_archived_instances_are_told_where_the_study_is_known(gate: Gate) -> None:
    for exam in range(1, 4):
        gate.published(*(image(study=str(exam), instance=number) for number in range(1, 5)), exam=f"E00{exam}")
    administration.add_source(gate.database, ROOT, "MR2", ae_title="MR2", reviewers=["ada"], study=STUDY)
    source = gate.intake.source_for("MR2", "127.0.0.1")
    assert source is not None
    gate.source = source
    short = gate.checked(*(image(study="9", instance=number) for number in (1, 2)))
    assert [finding["check"] for finding in short.findings] == ["siblings"]
    assert "has 2 files; the same series has 4 in 3 of 3 other exams" in short.findings[0]["message"]
    again = gate.checked(image(study="2", instance=1), image(study="2", instance=2), image(study="2", instance=9))
    assert "duplicates" not in [finding["check"] for finding in again.findings], "of whom it is, only the exam code tells"
    gate.review.recheck(again.id, STUDY, "E002")
    gate.work()
    (duplicates,) = [finding for finding in gate.review.info(again.id).findings if finding["check"] == "duplicates"]
    assert duplicates["message"].startswith("2 of the files are archived in exam E002 of this study already")
