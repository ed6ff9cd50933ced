"""Who is let in, and what may be sent then."""

import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from pydicom._uid_dict import UID_dictionary
from pynetdicom import sop_class

from catalog.pure.errors import Unavailable
from gateway.dicom.commitment import PUSH_MODEL
from tests.gateway.dicom.conftest import Door
from tests.gateway.dicom.peer import EXPLICIT, MR, VERIFICATION, associate_rq, c_echo, p_data, pdv, store_message

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
    served = (VERIFICATION, PUSH_MODEL)
    others = [
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if "Class" in kind and name and ("Storage" not in name or "Commitment" in name) and uid not in served
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


def test_one_address_does_not_get_all_associations(open_door: Callable[..., Door]) -> None:
    """Of what one address may not have there is always some left for another: here one of four."""
    door = open_door(associations=4)
    with ExitStack() as silent:
        for _ in range(3):
            silent.enter_context(door.peer().associate())
        with door.peer() as fourth:
            fourth.send(associate_rq())
            assert fourth.pdu() == (3, bytes((0, 2, 3, 2)))
        next(iter(door.receiver._open)).address = "192.0.2.7"
        with door.peer().associate(associate_rq([(VERIFICATION, [IMPLICIT])])) as other:
            other.send(p_data(pdv(1, 3, c_echo())))
            assert other.status() == 0


def test_open_associations_keep_the_batch_from_being_sealed(
    open_door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = threading.Event()
    door = open_door(touch_seconds=0.01)
    monkeypatch.setattr(door.intake, "touch", lambda source: source.name == "MR1" and touched.set())
    assert not touched.wait(0.05)
    with door.peer().associate():
        assert touched.wait(30)


def titled(calling: bytes, called: bytes = b"ARCHIMED") -> bytes:
    """Return an association request with these very bytes as titles."""
    request = associate_rq()
    return request[:10] + called + b" " * (16 - len(called)) + calling + request[42:]


@pytest.mark.parametrize("calling", [b"MR1" + bytes(13), b"MR1\0" + b" " * 12, b" MR1".ljust(16)])
def test_padding_of_a_title_does_not_count(door: Door, calling: bytes) -> None:
    with door.peer() as peer:
        peer.send(titled(calling))
        kind, body = peer.pdu()
        assert (kind, body[20:36]) == (2, calling)  # an acceptance repeats the titles as they came
        peer.send(store_message(b"1.2.3", b"data"))
        assert peer.status() == 0
        peer.release()


@pytest.mark.parametrize("calling", ["MRÄ".encode("latin-1").ljust(16), b" " * 16, bytes(16)])
def test_a_device_without_a_proper_title_is_known_by_its_address(door: Door, calling: bytes) -> None:
    with door.peer() as peer:
        peer.send(titled(calling))
        assert peer.pdu() == (3, bytes((0, 1, 1, 3)))  # MR1 may call from anywhere, so it is not known by an address
    door.add_source("CT1", "127.0.0.1")
    with door.peer() as peer:
        peer.send(titled(calling))
        assert peer.pdu()[0] == 2
        peer.send(store_message(b"1.2.3", b"data"))
        assert peer.status() == 0
        peer.release()
    door.add_source("CT2", "127.0.0.1")
    with door.peer() as peer:
        peer.send(titled(calling))
        assert peer.pdu() == (3, bytes((0, 1, 1, 3)))  # which of the two?


@pytest.mark.parametrize("called", [b"", bytes(16), "ÄÖ".encode()])
def test_whatever_title_is_called_is_taken(door: Door, called: bytes) -> None:
    with door.peer().associate(titled(b"MR1".ljust(16), called)) as peer:
        peer.release()


def test_a_title_that_nobody_knows_is_rejected_whatever_it_is(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    for calling in (bytes(16), b"\xff" * 16, b"\x01".ljust(16)):
        with door.peer() as peer:
            peer.send(titled(calling))
            assert peer.pdu() == (3, bytes((0, 1, 1, 3)))
    assert "an association from 127.0.0.1 was refused" in caplog.text


def test_unknown_items_of_a_request_are_passed_over(door: Door) -> None:
    request = associate_rq()
    for item in (b"\x5a\0\0\4abcd", b"\x58\0\0\2\1\0", b"\x55\0\0\2\xff\xfe"):
        start = request.index(b"\x50\0\0")
        length = int.from_bytes(request[start + 2 : start + 4], "big") + len(item)
        request = request[: start + 2] + length.to_bytes(2, "big") + request[start + 4 :] + item
    request += b"\x60\0\0\1x"
    request = request[:2] + (len(request) - 6).to_bytes(4, "big") + request[6:]
    with door.peer().associate(request) as peer:
        peer.release()


@pytest.mark.parametrize("sop_class", [b"1.2. \xff" + b"3" * 57, b"\xff" * 63, b" " * 63])
def test_a_context_of_a_malformed_class_is_refused_alone(door: Door, sop_class: bytes) -> None:
    placeholder = "1.2." + "3" * 59
    request = associate_rq([(placeholder, [IMPLICIT]), (MR, [EXPLICIT])]).replace(placeholder.encode(), sop_class)
    with door.peer() as peer:
        assert [result for _, result, _ in peer.contexts(request)] == [3, 0]


def test_an_instance_may_have_a_uid_that_is_too_long(door: Door) -> None:
    with door.peer().associate() as peer:
        peer.send(store_message(b"1.2." + b"3" * 61, b"data"))
        assert peer.status() == 0
        peer.release()
    assert door.data_sets() == [b"data"]


def test_a_monitor_may_ask_whether_we_are_there_where_configured(open_door: Callable[..., Door]) -> None:
    door = open_door(echo_from_anyone=True)
    with door.peer().associate(associate_rq([(VERIFICATION, [IMPLICIT])], calling="NAGIOS")) as peer:
        peer.send(p_data(pdv(1, 3, c_echo())))
        assert peer.status() == 0
        peer.release()
    with door.peer() as peer:
        peer.send(associate_rq([(VERIFICATION, [IMPLICIT]), (MR, [EXPLICIT])], calling="NAGIOS"))
        assert peer.pdu() == (3, bytes((0, 1, 1, 3)))
