"""The review: who sees a batch, who decides, and what a decision does."""

import pytest
import sqlalchemy as sa

from catalog import administration
from catalog.audit import entries
from catalog.database.tables import staged_files
from catalog.pure.access import Role
from catalog.pure.batches import State
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image


def test_received_data_are_seen_by_the_sources_reviewers_only(gate: Gate) -> None:
    batch = gate.receive(image())
    assert [info.id for info in gate.review_of("ada").list()] == [batch]
    for login in ("bob", "lea"):
        review = gate.review_of(login)
        assert review.list() == []
        for attempt in (
            review.show,
            review.seal,
            lambda n, d=review: d.accept(n, STUDY, "E1"),
            lambda n, d=review: d.reject(n, "no"),
        ):
            with pytest.raises(NotFound):
                attempt(batch)


def test_a_reviewer_whose_role_falls_sees_nothing_any_more(gate: Gate) -> None:
    batch = gate.receive(image())
    review = gate.review_of("ada")
    administration.set_role(gate.database, ROOT, "ada", Role.LIMITED)
    assert review.list() == []
    with pytest.raises(NotFound):
        review.seal(batch)


def test_uploads_are_seen_by_the_uploader_and_who_may_import_into_the_study(gate: Gate) -> None:
    batch = gate.bring(image(), exam="E1")
    assert [info.id for info in gate.review_of("ada").list()] == [batch]
    assert [info.id for info in gate.review_of("bob").list()] == [batch]
    assert gate.review_of("lea").list() == []
    administration.remove_grant(gate.database, ROOT, "bob", STUDY)
    assert gate.review_of("bob").list() == []


def test_a_batch_is_accepted_only_into_a_study_that_is_granted(gate: Gate) -> None:
    batch = gate.checked(image()).id
    with pytest.raises(NotFound):
        gate.review_of("ada").accept(batch, "other", "E001")
    gate.review_of("ada").accept(batch, STUDY, "E001")
    assert gate.review.info(batch).decided_by == "ada"


def test_an_open_batch_is_not_accepted(gate: Gate) -> None:
    with pytest.raises(Refused, match="seal it first"):
        gate.review.accept(gate.receive(image()), STUDY, "E001")


@pytest.mark.parametrize("exam", ["", "_x", "a/b", "..", "x" * 65, "E 1"])
def test_an_exam_code_must_be_one(gate: Gate, exam: str) -> None:
    batch = gate.checked(image()).id
    with pytest.raises(Invalid):
        gate.review.accept(batch, STUDY, exam)
    assert gate.review.info(batch).state is State.CHECKED


def test_sealing_twice_is_sealing_once(gate: Gate) -> None:
    batch = gate.receive(image())
    assert gate.review.seal(batch).state is State.SEALED
    assert gate.review.seal(batch).state is State.SEALED
    gate.work()
    assert gate.review.seal(batch).state is State.CHECKED


def test_of_two_reviewers_one_wins_and_the_other_is_told(gate: Gate) -> None:
    administration.set_reviewers(gate.database, ROOT, "MR1", ["ada", "bob"])
    batch = gate.checked(image()).id
    late = gate.review_of("bob").info(batch)
    gate.review_of("ada").accept(batch, STUDY, "E001")
    review = gate.review_of("bob")
    with pytest.raises(Refused, match="decided by ada"):
        review.reject(batch, "mine")
    review.info = lambda _: late  # type: ignore[method-assign] # bob decides on what he saw
    with pytest.raises(Conflict, match="accepted by ada"):
        review.reject(batch, "mine")
    assert gate.review.info(batch).decided_by == "ada"


def test_two_patients_are_accepted_only_with_a_reason(gate: Gate) -> None:
    batch = gate.checked(image(), image(instance=2), image(instance=3, patient_id="OTHER")).id
    with pytest.raises(Refused, match="2 patients"):
        gate.review.accept(batch, STUDY, "E001")
    gate.review.accept(batch, STUDY, "E001", despite="same person, two cards")
    assert gate.review.info(batch).reason == "same person, two cards"


def test_a_batch_without_a_good_file_is_not_accepted(gate: Gate) -> None:
    batch = gate.checked(b"no dicom at all").id
    with pytest.raises(Refused, match="no file that can be published"):
        gate.review.accept(batch, STUDY, "E001")


def test_an_expired_rejection_erases_bytes_and_what_was_read_of_them(gate: Gate) -> None:
    batch = gate.checked(image()).id
    assert gate.staging.notes.read_about(batch)["patients"][0]["name"] == "Doe^Jane"
    gate.review.reject(batch, "wrong study")
    gate.work()
    assert gate.review.info(batch).state is State.REJECTED
    assert gate.staging.notes.read_about(batch)["patients"]
    gate.deadlines.expire_rejected()
    gate.work()
    assert gate.review.info(batch).state is State.ERASED
    assert gate.staging.notes.read_about(batch) == {}
    assert gate.database.rows(sa.select(staged_files)) == []
    assert not list((gate.built.folder / "var/staging/received").glob("*/[0-9]*"))


def test_rejecting_needs_a_reason(gate: Gate) -> None:
    with pytest.raises(Invalid):
        gate.review.reject(gate.receive(image()), "  ")


def test_decisions_are_audited_with_both_names(gate: Gate) -> None:
    batch = gate.checked(image()).id
    gate.review_of("ada").accept(batch, STUDY, "E001")
    last = entries(gate.database)[-1]
    assert (last.actor, last.acting_as, last.action, last.study) == ("root", "ada", "batch.accept", STUDY)
    assert (last.subject, last.detail["exam"]) == (f"batch {batch}", "E001")


def test_quiet_batches_are_sealed_and_busy_ones_are_not(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = gate.receive(image())
    gate.deadlines.seal_quiet()
    assert gate.review.info(batch).state is State.OPEN
    from catalog import clock

    later = clock.now() + 61
    monkeypatch.setattr(clock, "now", lambda: later)
    gate.intake.touch(gate.source)
    gate.deadlines.seal_quiet()
    assert gate.review.info(batch).state is State.OPEN
    monkeypatch.setattr(clock, "now", lambda: later + 60)
    gate.deadlines.seal_quiet()
    assert gate.review.info(batch).state is State.SEALED
