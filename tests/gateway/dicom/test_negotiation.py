"""Who is let in, and what may be sent then."""

import threading
from collections.abc import Callable

import pytest
from pydicom._uid_dict import UID_dictionary
from pynetdicom import sop_class

from catalog.pure.errors import Unavailable
from tests.gateway.dicom.conftest import Door
from tests.gateway.dicom.peer import EXPLICIT, MR, VERIFICATION, associate_rq, c_echo, p_data, pdv

IMPLICIT, BIG, JPEG, LOSSLESS = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"
PRIVATE = "1.3.12.2.1107.5.9.1"


def test_an_unknown_title_is_rejected_and_audited(door: Door) -> None:
    with door.peer() as peer:
        peer.send(associate_rq(calling="STRANGER"))
        assert peer.pdu() == (3, bytes((0, 1, 1, 3)))
        assert peer.pdu()[0] == 0
    assert door.audited() == [("dicom.refused", "STRANGER")]


def test_a_known_title_from_elsewhere_is_rejected(door: Door) -> None:
    door.add_source("CT1", "192.0.2.7")
    door.add_source("CT2", "127.0.0.1")
    with door.peer() as peer:
        peer.send(associate_rq(calling="CT1"))
        assert peer.pdu() == (3, bytes((0, 1, 1, 3)))
    with door.peer().associate(associate_rq(calling="CT2")) as peer:
        peer.release()


def test_any_called_title_is_taken_unless_configured(open_door: Callable[..., Door]) -> None:
    with open_door().peer().associate(associate_rq(called="OTHER")) as peer:
        peer.release()


def test_only_our_title_where_configured(open_door: Callable[..., Door]) -> None:
    door = open_door(accept_any_called=False)
    with door.peer() as peer:
        peer.send(associate_rq(called="OTHER"))
        assert peer.pdu() == (3, bytes((0, 1, 1, 7)))
    with door.peer().associate() as peer:
        peer.release()


def test_another_application_context_is_rejected(door: Door) -> None:
    with door.peer() as peer:
        peer.send(associate_rq().replace(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.2"))
        assert peer.pdu() == (3, bytes((0, 1, 1, 2)))


def test_every_storage_class_known_or_private_and_verification(door: Door) -> None:
    classes = [uid for name, uid in vars(sop_class).items() if name.endswith("Storage") and isinstance(uid, str)]
    classes = [*classes[:120], PRIVATE, "1.2.840.10008.5.1.4.1.1.999", "1.2.840.10008.5.1.4.1.1.9", VERIFICATION]
    with door.peer() as peer:
        found = peer.contexts(associate_rq([(uid, [IMPLICIT]) for uid in classes]))
    assert [result for _, result, _ in found] == [0] * len(classes)


def test_services_that_store_nothing_are_refused_one_by_one(door: Door) -> None:
    others = [
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if "Class" in kind and name and ("Storage" not in name or "Commitment" in name) and uid != VERIFICATION
    ]
    assert len(others) > 90
    with door.peer() as peer:
        found = peer.contexts(associate_rq([*((uid, [IMPLICIT]) for uid in others), (MR, [IMPLICIT])]))
    assert [result for _, result, _ in found] == [3] * len(others) + [0]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([IMPLICIT], IMPLICIT),
        ([BIG], BIG),
        ([JPEG], JPEG),
        ([LOSSLESS, IMPLICIT], LOSSLESS),
        ([IMPLICIT, EXPLICIT, BIG], EXPLICIT),
        ([JPEG, EXPLICIT], JPEG),
        ([BIG, EXPLICIT], EXPLICIT),
        ([EXPLICIT, JPEG], EXPLICIT),
        (["1.3.12.2.1107.5.9.2"], "1.3.12.2.1107.5.9.2"),
    ],
)
def test_the_transfer_syntax_taken(door: Door, offered: list[str], chosen: str) -> None:
    with door.peer() as peer:
        assert peer.contexts(associate_rq([(MR, offered)])) == [(1, 0, chosen)]


def test_a_catalogue_that_does_not_answer_is_a_passing_rejection(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("locked")

    monkeypatch.setattr(door.intake, "source_for", fail)
    with door.peer() as peer:
        peer.send(associate_rq())
        assert peer.pdu() == (3, bytes((0, 2, 3, 1)))


def test_more_associations_than_allowed_are_a_passing_rejection(open_door: Callable[..., Door]) -> None:
    door = open_door(associations=2)
    with door.peer().associate() as first, door.peer().associate():
        with door.peer() as third:
            third.send(associate_rq())
            assert third.pdu() == (3, bytes((0, 2, 3, 2)))
        first.release()
        while len(door.receiver._open) == 2:
            pass
        with door.peer().associate(associate_rq([(VERIFICATION, [IMPLICIT])])) as third:
            third.send(p_data(pdv(1, 3, c_echo())))
            assert third.status() == 0


def test_open_associations_keep_the_batch_from_being_sealed(
    open_door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = threading.Event()
    door = open_door(touch_seconds=0.01)
    monkeypatch.setattr(door.intake, "touch", lambda source: source.name == "MR1" and touched.set())
    assert not touched.wait(0.05)
    with door.peer().associate():
        assert touched.wait(30)
