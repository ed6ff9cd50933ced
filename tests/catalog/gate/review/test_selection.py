"""Decisions: some series of a batch, other labels, what was rejected and comes back, two reviewers, clocks that go wrong."""

import json
import threading

import pytest
import sqlalchemy as sa

from catalog import administration, clock
from catalog.audit import entries
from catalog.database.tables import batches, jobs, staged_files
from catalog.gate.review.queries import BatchInfo
from catalog.pure.batches import State
from catalog.pure.errors import ArchimedError, Conflict, Invalid, Refused
from catalog.store import records
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image

EXPECTING = 'schema = 1\n[expect]\nexam = "E[0-9]{3}"\n[[expect.series]]\nname = "T1"\nmatch = "*mprage*"\nfiles = 3\n'


def two_series() -> list[bytes]:
    return [image(series=series, instance=number, description=f"s{series}") for series in (3, 4) for number in (1, 2)]


def day_later(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    later = clock.now() + int(days * 86400)
    monkeypatch.setattr(clock, "now", lambda: later)


def test_some_series_are_accepted_and_the_rest_waits(gate: Gate) -> None:
    batch = gate.checked(*two_series(), b"no dicom").id
    gate.review.accept(batch, STUDY, "E001", series=["4"])
    rest = gate.review.list()[-1]
    assert (rest.state, rest.follows, rest.files) == (State.CHECKED, batch, 3)
    assert [(one["label"], one["files"]) for one in rest.summary] == [("3", 2)]
    assert [finding["check"] for finding in rest.findings] == ["publishable"]
    gate.work()
    done = gate.review.info(batch)
    assert (done.state, done.files, done.findings) == (State.PUBLISHED, 2, [])
    assert gate.names(f"{STUDY}/E001") == ["004_DCM_MR_s4"]
    assert gate.review.show(rest.id).about["patients"][0]["id"] == "HOSP-4711"
    gate.review.accept(rest.id, STUDY, "E002")
    gate.work()
    assert gate.names(f"{STUDY}/E002") == ["003_DCM_MR_s3"]
    (first, _) = [entry for entry in entries(gate.database) if entry.action == "batch.accept"]
    assert (first.detail["series"], first.detail["rest"]) == (["4"], rest.id)


def test_accepting_all_series_by_name_is_accepting_all(gate: Gate) -> None:
    batch = gate.checked(*two_series()).id
    gate.review.accept(batch, STUDY, "E001", series=["4", "3"])
    assert len(gate.review.list()) == 1


def test_the_figures_of_both_batches_add_up(gate: Gate) -> None:
    before = gate.checked(*two_series())
    gate.review.accept(before.id, STUDY, "E001", series=["3"])
    first, rest = gate.review.list()
    assert (first.files + rest.files, first.bytes + rest.bytes) == (before.files, before.bytes)
    for info in (first, rest):
        rows = gate.database.rows(sa.select(staged_files.c.size).where(staged_files.c.batch_id == info.id))
        assert (info.files, info.bytes) == (len(rows), sum(row.size for row in rows))


def test_a_series_that_is_not_there_is_none(gate: Gate) -> None:
    batch = gate.checked(*two_series()).id
    for how in ({"series": ["5"]}, {"labels": {"5": "x"}}, {"series": ["3"], "labels": {"4": "x"}}):
        with pytest.raises(Invalid, match="series"):
            gate.review.accept(batch, STUDY, "E001", **how)  # type: ignore[arg-type] # as the case says
    assert gate.review.info(batch).state is State.CHECKED
    assert len(gate.review.list()) == 1


def test_two_patients_can_be_told_apart_by_series(gate: Gate) -> None:
    mixed = [image(series=3), image(series=4, study="2", patient_id="OTHER"), image(series=5)]
    batch = gate.checked(*mixed).id
    with pytest.raises(Refused, match="2 patients"):
        gate.review.accept(batch, STUDY, "E001", series=["3", "4"])
    gate.review.accept(batch, STUDY, "E001", series=["3", "5"])
    first, rest = gate.review.list()
    assert [one["check"] for one in first.findings if one["check"] == "one_patient"] == []
    assert [one["check"] for one in rest.findings if one["check"] == "one_patient" and one["file"] is None] == []
    gate.review.accept(rest.id, STUDY, "E002")


def test_a_label_names_the_series_by_the_same_rules(gate: Gate) -> None:
    batch = gate.checked(*two_series()).id
    gate.review.accept(batch, STUDY, "E001", labels={"3": " t1: mprage/sag "})
    gate.work()
    assert gate.names(f"{STUDY}/E001") == ["003_DCM_MR_t1_mprage_sag", "004_DCM_MR_s4"]


@pytest.mark.parametrize("label", ["", "  ", "/", "..", "a\nb", "x" * 65, "\u202e"])
def test_a_label_that_is_no_name_is_refused(gate: Gate, label: str) -> None:
    batch = gate.checked(*two_series()).id
    with pytest.raises(Invalid, match="label"):
        gate.review.accept(batch, STUDY, "E001", labels={"3": label})


def test_an_exam_code_that_the_study_does_not_expect_needs_a_reason(gate: Gate) -> None:
    administration.create_study(gate.database, gate.store, ROOT, "strict", profile=EXPECTING)
    batch = gate.checked(image()).id
    with pytest.raises(Refused, match=r"expects exam codes like E\[0-9\]\{3\}"):
        gate.review.accept(batch, "strict", "P1")
    gate.review.accept(batch, "strict", "P1", despite="pilot")
    gate.work()
    assert gate.review.info(batch).state is State.PUBLISHED


def test_what_was_rejected_can_be_restored_until_it_is_erased(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.deadlines._keep_rejected_seconds = 14 * 86400
    batch = gate.checked(image()).id
    gate.review.reject(batch, "wrong")
    gate.deadlines.expire_rejected()
    gate.work()
    assert gate.review.restore(batch).state is State.SEALED
    gate.work()
    info = gate.review.info(batch)
    assert (info.state, info.reason) == (State.CHECKED, "")
    gate.review.reject(batch, "wrong after all")
    day_later(monkeypatch, 14)
    gate.deadlines.expire_rejected()
    with pytest.raises(Refused, match="final"):
        gate.review.restore(batch)
    gate.work()
    assert gate.database.rows(sa.select(staged_files)) == []


def test_a_clock_that_was_set_back_erases_nothing_early(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.deadlines._keep_rejected_seconds = 86400
    batch = gate.checked(image()).id
    gate.review.reject(batch, "wrong")
    with monkeypatch.context() as patch:
        day_later(patch, -400)
        gate.deadlines.expire_rejected()
        assert gate.review.info(batch).state is State.REJECTED
        gate.review.restore(batch)
        gate.review.reject(batch, "decided while the clock was wrong")
    gate.deadlines.expire_rejected()
    assert gate.review.info(batch).state is State.ERASED  # its decision lies 400 days back


def test_a_batch_is_checked_again_with_what_its_study_says_now(gate: Gate) -> None:
    administration.create_study(gate.database, gate.store, ROOT, "strict", profile=EXPECTING)
    batch = gate.checked(image()).id
    assert gate.review.info(batch).findings == []
    with gate.database.write() as connection:
        study = sa.text("(select id from studies where code = 'strict')")
        connection.execute(batches.update().values(study_id=study, exam_code="P1"))
    gate.review.recheck(batch)
    gate.work()
    assert {finding["check"] for finding in gate.review.info(batch).findings} == {"exam_code", "protocol"}


def test_checks_that_run_while_the_batch_comes_back_do_not_speak_of_it(gate: Gate) -> None:
    batch = gate.receive(image())
    gate.review.seal(batch)
    job = gate.worker._queue.claim()
    assert job is not None
    gate.review.reject(batch, "wrong")
    gate.review.restore(batch)
    with pytest.raises(Conflict):
        gate.worker._handlers[job.kind].run(job, lambda: None)
    assert gate.review.info(batch).state is State.SEALED
    gate.work()
    assert gate.review.info(batch).state is State.CHECKED


def test_a_batch_that_failed_is_tried_again_into_another_study(gate: Gate) -> None:
    info = gate.published(image(instance=1, BurnedInAnnotation="YES"))
    assert info.state is State.FAILED
    administration.create_study(gate.database, gate.store, ROOT, "third")
    gate.review.recheck(info.id)
    gate.work()
    gate.review.accept(info.id, "third", "E9", pixels_approved=True)
    gate.work()
    assert gate.review.info(info.id).state is State.PUBLISHED
    assert list(records.manifests(gate.store, "third"))
    assert not list(records.manifests(gate.store, STUDY))


def test_of_many_reviewers_one_wins_and_each_other_is_told_by_whom(gate: Gate) -> None:
    administration.set_reviewers(gate.database, ROOT, "MR1", ["ada", "bob"])
    batch = gate.checked(*two_series()).id
    together, outcomes = threading.Barrier(4), []

    def decide(login: str, accepts: bool) -> None:
        review = gate.review_of(login)
        together.wait()
        try:
            decided: BatchInfo | ArchimedError = (
                review.accept(batch, STUDY, "E1", series=["3"]) if accepts else review.reject(batch, "no")
            )
        except ArchimedError as error:
            decided = error
        outcomes.append((login, decided))
        gate.database.drop_reader()

    people = [threading.Thread(target=decide, args=(login, accepts)) for login in ("ada", "bob") for accepts in (True, False)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    (winner,) = [login for login, decided in outcomes if isinstance(decided, BatchInfo)]
    told = [str(decided) for _, decided in outcomes if not isinstance(decided, BatchInfo)]
    assert len(told) == 3
    assert all(f"by {winner}" in text for text in told), told
    assert len(gate.review.list()) in (1, 2)
    assert len(gate.database.rows(sa.select(jobs).where(jobs.c.kind == "publish"))) <= 1


def test_findings_that_leave_with_their_series(gate: Gate) -> None:
    batch = gate.checked(
        *two_series(), image(series=4, instance=9, SOPInstanceUID="1.2.3.4", pixels=None), image(series=3, EchoTime=9.0)
    )
    rests = {finding["series"] for finding in batch.findings if finding["series"]}
    assert rests <= {"3", "4"}
    gate.review.accept(batch.id, STUDY, "E001", series=["3"])
    first, rest = gate.review.list()
    assert {finding["series"] for finding in first.findings} <= {"3", ""}
    assert {finding["series"] for finding in rest.findings} <= {"4", ""}
    assert json.dumps(first.findings + rest.findings)
