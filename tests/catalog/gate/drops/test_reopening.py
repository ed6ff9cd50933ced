"""A dropped batch that is opened again: mended by its uploader, checked anew, and nothing of before left."""

import pytest
import sqlalchemy as sa

from catalog.database.tables import staged_files
from catalog.gate.drops.inbox import Inbox
from catalog.pure.batches import State
from catalog.pure.errors import Conflict, NotFound, Refused
from tests.catalog.gate.conftest import STUDY, Gate, put
from tests.catalog.gate.drops.test_sealing import PLACE, folder_of
from tests.synthetic import image


def checked(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "a/1", image(instance=1))
    put(inbox, "a/broken", image(instance=2)[:300])
    gate.review.seal(1)
    gate.work()


@pytest.mark.parametrize("rejected", [False, True])
def test_what_is_mended_counts_and_what_was_found_does_not(gate: Gate, inbox: Inbox, rejected: bool) -> None:
    checked(gate, inbox)
    assert [finding["severity"] for finding in gate.review.info(1).findings] == ["error"]
    if rejected:
        gate.review.reject(1, "one file is broken")
    uploader = gate.review_of("ada")
    info = uploader.reopen(1)
    assert (info.state, info.findings, info.summary) == (State.OPEN, [], [])
    inbox.remove((*PLACE, "a", "broken"))
    put(inbox, "a/0-first", image(instance=2))
    uploader.seal(1)
    gate.work()
    info = gate.review.info(1)
    assert (info.state, info.findings, info.files) == (State.CHECKED, [], 2)
    names = [
        gate.staging.name_of(row.file) for row in gate.database.rows(sa.select(staged_files.c.file).order_by(staged_files.c.id))
    ]
    assert names == ["a/0-first", "a/1"]
    gate.review.accept(1, STUDY, "E001")
    gate.work()
    assert gate.names(f"{STUDY}/E001/003_DCM_MR_t1_mprage_sag") == ["00001.dcm", "00002.dcm"]
    gate.deadlines.expire_rejected()
    assert gate.staging.all_drops() == []


def test_only_the_uploader_opens_again(gate: Gate, inbox: Inbox) -> None:
    checked(gate, inbox)
    with pytest.raises(Refused, match="only who brought"):
        gate.review_of("bob").reopen(1)
    with pytest.raises(NotFound):
        gate.review_of("lea").reopen(1)
    assert gate.review.info(1).state is State.CHECKED


def test_what_was_received_is_not_opened_again(gate: Gate) -> None:
    batch = gate.checked(image()).id
    with pytest.raises(Refused, match="dropped"):
        gate.review.reopen(batch)


def test_one_open_batch_an_exam(gate: Gate, inbox: Inbox) -> None:
    checked(gate, inbox)
    put(inbox, "late", image(instance=9))
    with pytest.raises(Conflict, match="seal that one first"):
        gate.review.reopen(1)
    assert gate.review.info(1).state is State.CHECKED


def test_what_shares_its_folder_with_another_batch_is_not_opened_while_that_is_published(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "a/1", image(instance=1))
    put(inbox, "b/1", image(series=4, instance=1))
    gate.review.seal(1)
    gate.work()
    gate.review.accept(1, STUDY, "E001", series=["3"])
    with pytest.raises(Refused, match="other files of its folder"):
        gate.review.reopen(2)
    gate.work()
    assert gate.review.info(1).state is State.PUBLISHED
    path = folder_of(gate)
    assert gate.review_of("ada").reopen(2).state is State.OPEN
    assert [entry.name for entry in inbox.children(PLACE) if not entry.name.startswith("_")] in (["b"], ["a", "b"])
    gate.review.seal(2)
    gate.work()
    assert (gate.review.info(2).state, gate.review.info(2).files) == (State.CHECKED, 1)
    assert path.exists()
