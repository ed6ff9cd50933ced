"""Who is told what of a batch: role and grant decide, and never that somebody brought it."""

import json
import os
from collections.abc import Callable

import pytest

from catalog import administration, clock
from catalog.gate.drops.inbox import Inbox
from catalog.gate.drops.partials import Partials
from catalog.gate.review.decisions import Review
from catalog.gate.review.queries import BatchInfo
from catalog.pure.access import Role
from catalog.pure.batches import State
from catalog.pure.errors import ArchimedError, NotFound
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image

ACTIONS: dict[str, Callable[[Review, int], object]] = {
    "info": lambda review, batch: review.info(batch),
    "about": lambda review, batch: review.about(batch),
    "report": lambda review, batch: review.report(batch),
    "progress": lambda review, batch: review.progress(batch),
    "series_files": lambda review, batch: review.series_files(batch),
    "names": lambda review, batch: review.names(batch, [1, 2, 3]),
    "staged": lambda review, batch: review.staged(batch, None),
    "seal": lambda review, batch: review.seal(batch),
    "accept": lambda review, batch: review.accept(batch, STUDY, "E001"),
    "recheck": lambda review, batch: review.recheck(batch),
    "reject": lambda review, batch: review.reject(batch, "because"),
    "restore": lambda review, batch: review.restore(batch),
    "reopen": lambda review, batch: review.reopen(batch),
}


def brought(gate: Gate, exam: str = "E001", login: str = "ada") -> int:
    batch = gate.bring(image(), exam=exam, login=login)
    gate.review.seal(batch)
    gate.work()
    return batch


def receipt(info: BatchInfo) -> tuple[int, State, int]:
    """Return what a receipt tells, after it was seen to tell nothing else."""
    nothing = BatchInfo(
        id=info.id, state=info.state, source="", study="", exam="", files=info.files, bytes=0, findings=[], summary=[],
        follows=None, reason="", opened=0, last_write=0, decided_by="", decided=None, uploader="", dropped=False, receipt=True,
    )  # fmt: skip
    assert info == nothing
    return info.id, info.state, info.files


@pytest.mark.parametrize("action", ACTIONS)
def test_what_one_brought_without_a_grant_is_as_if_it_were_not_there(gate: Gate, action: str) -> None:
    batch = brought(gate)
    administration.remove_grant(gate.database, ROOT, "ada", STUDY)
    administration.add_grant(gate.database, ROOT, "ada", "other")
    with pytest.raises(NotFound) as missing:
        ACTIONS[action](gate.review_of("ada"), batch)
    with pytest.raises(NotFound) as never:
        ACTIONS[action](gate.review_of("ada"), 999)
    assert str(missing.value).replace(str(batch), "N") == str(never.value).replace("999", "N")
    assert gate.review.info(batch).state is State.CHECKED


def test_what_one_brought_without_a_grant_is_a_receipt(gate: Gate, inbox_of: Callable[[str], Inbox]) -> None:
    batch = brought(gate)
    administration.remove_grant(gate.database, ROOT, "ada", STUDY)
    (info,) = gate.review_of("ada").list()
    assert receipt(info) == (batch, State.CHECKED, 1)
    details = gate.review_of("ada").show(batch)
    assert receipt(details.batch) == (batch, State.CHECKED, 1)
    assert (details.files, details.about, details.job_error) == ([], {}, "")
    assert gate.review_of("ada").counts() == {State.CHECKED: 1}
    assert list(gate.review_of("ada").numbers([State.CHECKED])) == []
    assert inbox_of("ada").children(()) == []
    with pytest.raises(NotFound):
        gate.review_of("lea").show(batch)
    administration.set_role(gate.database, ROOT, "ada", Role.LIMITED)
    assert gate.review_of("ada").list() == []
    administration.set_role(gate.database, ROOT, "ada", Role.STANDARD)
    administration.add_grant(gate.database, ROOT, "ada", STUDY)
    assert gate.review_of("ada").info(batch).study == STUDY


def test_a_file_that_comes_in_pieces_is_gone_with_the_grant(gate: Gate, inbox: Inbox) -> None:
    partials = Partials(gate.staging, inbox, administration.principal(gate.database, "ada"))
    begun = partials.begin((STUDY, "E001", "large"), 10, None)
    assert partials.find(begun.id).offset == 0
    administration.remove_grant(gate.database, ROOT, "ada", STUDY)
    with pytest.raises(NotFound):
        partials.find(begun.id)
    with pytest.raises(NotFound), partials.adding(begun.id, 0):
        pass
    partials.give_up(begun.id)


def test_a_moved_batch_shows_no_foreign_study_to_who_brought_it(gate: Gate, inbox_of: Callable[[str], Inbox]) -> None:
    batch = brought(gate)
    administration.add_grant(gate.database, ROOT, "bob", "other")
    gate.review_of("bob").recheck(batch, "other", "E9")
    gate.work()
    assert gate.review_of("bob").info(batch).study == "other"
    assert receipt(gate.review_of("ada").list()[0]) == (batch, State.CHECKED, 1)
    assert inbox_of("ada").children((STUDY,)) == []
    gate.review_of("bob").accept(batch, "other", "E9")
    gate.work()
    assert receipt(gate.review_of("ada").list()[0]) == (batch, State.PUBLISHED, 1)


def test_of_a_folder_that_two_batches_share_only_the_visible_part_is_shown(
    gate: Gate, inbox_of: Callable[[str], Inbox]
) -> None:
    ada, exam = inbox_of("ada"), (STUDY, "E001")
    ada.make_folder(exam)
    for number, name in ((1, "one"), (2, "two")):
        ada.make_folder((*exam, name))
        upload = ada.upload((*exam, name, "image"))
        upload.write(image(series=number, instance=number))
        upload.commit()
    batch = ada.batch(exam)
    gate.review.seal(batch)
    gate.work()
    administration.add_grant(gate.database, ROOT, "bob", "other")
    bob = gate.review_of("bob")
    files = {label: list(numbers) for label, numbers in bob.series_files(batch).items()}
    label = next(label for label, numbers in files.items() if bob.names(batch, numbers)[numbers[0]] == "one/image")
    bob.accept(batch, "other", "E9", series=[label])
    (rest,) = bob.followers(batch)
    assert gate.review_of("ada").info(rest).study == STUDY
    assert [one["label"] for one in gate.review_of("ada").about(rest)["series"]] == [one for one in files if one != label]
    assert {entry.name for entry in ada.children(exam)} - {"_REPORT.txt"} == {"two"}
    for act in (ada.stat, ada.open, ada.children):
        for place in ((*exam, "one"), (*exam, "one", "image")):
            with pytest.raises(ArchimedError):
                act(place)
    assert os.fstat(ada.open((*exam, "two", "image")).fd).st_size > 0
    review = (STUDY, "_review", str(rest))
    assert {entry.name for entry in inbox_of("bob").children(review)} == {"one", "two"}
    administration.remove_grant(gate.database, ROOT, "bob", "other")
    assert {entry.name for entry in inbox_of("bob").children(review)} == {"two"}


def test_a_moved_batch_of_a_scanner_is_gone_for_who_has_not_its_study(gate: Gate) -> None:
    batch = gate.checked(image()).id
    administration.add_grant(gate.database, ROOT, "ada", "other")
    gate.review_of("ada").recheck(batch, "other")
    administration.remove_grant(gate.database, ROOT, "ada", "other")
    assert gate.review_of("ada").list() == []
    with pytest.raises(NotFound):
        gate.review_of("ada").show(batch)


def test_a_finding_names_only_batches_that_the_reader_sees(gate: Gate) -> None:
    hidden = gate.checked(image()).id
    administration.add_grant(gate.database, ROOT, "ada", "other")
    gate.review_of("ada").recheck(hidden, "other")
    gate.work()
    shared = brought(gate, "E002", "ada")
    batch = brought(gate, "E003", "bob")
    told = {login: _elsewhere(gate.review_of(login).info(batch)) for login in ("ada", "bob")}
    assert told == {"ada": {hidden, shared}, "bob": {shared}}
    assert _elsewhere(gate.review_of("bob").show(batch).batch) == {shared}
    assert [_elsewhere(info) for info in gate.review_of("bob").list()] == [set(), {shared}]
    assert "in batch" not in gate.review_of("bob").report(batch)


def test_a_batch_that_another_is_late_for_is_named_to_who_sees_it(gate: Gate) -> None:
    first = gate.checked(image(instance=1)).id
    late = gate.checked(image(instance=2))
    assert late.follows == first
    administration.add_grant(gate.database, ROOT, "ada", "other")
    gate.review_of("ada").recheck(first, "other")
    assert gate.review_of("ada").info(late.id).follows == first
    administration.remove_grant(gate.database, ROOT, "ada", "other")
    assert gate.review_of("ada").info(late.id).follows is None


@pytest.mark.parametrize("how", ["accept", "recheck"])
def test_what_was_found_of_a_study_stays_with_that_study(gate: Gate, how: str) -> None:
    published = brought(gate, "E007")
    gate.review.accept(published, STUDY, "E007")
    gate.work()
    batch = brought(gate, "E007")
    assert "archived in exam E007" in json.dumps(gate.review.info(batch).findings)
    administration.add_grant(gate.database, ROOT, "bob", "other")
    review = gate.review_of("bob")
    if how == "accept":
        review.accept(batch, "other", "E9")
    else:
        review.recheck(batch, "other", "E9")
    assert "E007" not in json.dumps(gate.review.info(batch).findings)
    assert "E007" not in gate.review.report(batch)
    assert "preview" not in gate.review.about(batch)


def test_a_decision_counts_only_if_the_grant_is_still_there_when_it_is_written(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = brought(gate)
    review = gate.review_of("ada")
    real = Review.info

    def revoked_behind(self: Review, batch_id: int) -> BatchInfo:
        info = real(self, batch_id)
        monkeypatch.undo()
        administration.remove_grant(gate.database, ROOT, "ada", STUDY)
        return info

    monkeypatch.setattr(Review, "info", revoked_behind)
    with pytest.raises(Exception, match="in this moment"):
        review.reject(batch, "mine")
    assert gate.review.info(batch).state is State.CHECKED


def _elsewhere(info: BatchInfo) -> set[int]:
    return {finding["batch"] for finding in info.findings if finding["batch"] is not None}


def test_a_list_is_narrowed_by_study_time_and_number_and_tells_no_receipts_study(gate: Gate) -> None:
    first = gate.published(image(instance=1)).id
    second = gate.checked(image(instance=2))
    brought = gate.bring(image(instance=3), exam="E007", login="bob")
    assert [info.id for info in gate.review.list(study=STUDY)] == [first, brought]
    assert [info.id for info in gate.review.list(most=1)] == [brought]
    assert [info.id for info in gate.review.list([State.CHECKED])] == [second.id]
    assert gate.review.list(since=clock.now() + 60) == []
    administration.remove_grant(gate.database, ROOT, "bob", STUDY)
    assert [info.receipt for info in gate.review_of("bob").list()] == [True]
    assert gate.review_of("bob").list(study=STUDY) == []
