"""Peers that break the protocol, stall, or come in masses: they are dropped, others are served."""

import logging
import struct
import threading
from collections.abc import Callable

import pytest

from tests.gateway.dicom.conftest import Door
from tests.gateway.dicom.peer import MR, Peer, associate_rq, c_store, command, element, p_data, pdv

STORE = p_data(pdv(1, 3, c_store(b"1.2.3")))
NO_MESSAGE_ID = command(0x0001, element(0x0002, MR.encode())).replace(
    struct.pack("<HHI", 0, 0x0110, 2), b"\0\0\x11\x01\2\0\0\0"
)


@pytest.fixture
def door(open_door: Callable[..., Door]) -> Door:
    """Give a receiver that must have kept nothing and still works when the test is over."""
    return open_door(request_seconds=60)


def still_serves(door: Door) -> None:
    door.settle()
    assert door.on_disk() == []
    assert door.staged() == []
    with door.peer().associate() as peer:
        assert peer.store(b"9.9.9", b"good") == 0
        peer.release()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(STORE, id="P-DATA before an association"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", id="TLS"),
        pytest.param(b"\x01\x00\xff\xff\xff\xff", id="4 GB request"),
        pytest.param(associate_rq() + STORE, id="data before the acceptance"),
        pytest.param(b"\x01\x00\x00\x00\x00\x02\x00\x01", id="empty request"),
        pytest.param(associate_rq().replace(b"\x20\x00\x00", b"\x20\x00\xff"), id="item longer than the request"),
    ],
)
def test_what_is_no_association_request_ends_the_connection(door: Door, sent: bytes) -> None:
    with door.peer() as peer:
        peer.send(sent)
        assert peer.pdu()[0] in (0, 7)
        assert peer.pdu()[0] == 0
    still_serves(door)


def test_a_control_character_in_the_title_is_no_source(door: Door) -> None:
    with door.peer() as peer:
        peer.send(associate_rq().replace(b"MR1 ", b"M\x001 "))
        assert peer.pdu()[0] == 3
        assert peer.pdu()[0] == 0
    still_serves(door)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"\x04\x00\xff\xff\xff\xff", id="4 GB PDU"),
        pytest.param(b"\x04\x00\x00\x04\x00\x01", id="PDU longer than agreed"),
        pytest.param(b"\x04\x00\x00\x00\x00\x00", id="empty PDU"),
        pytest.param(b"\x00\x00\x00\x00\x00\x04abcd", id="PDU type 0"),
        pytest.param(b"\x09\x00\x00\x00\x00\x04abcd", id="PDU type 9"),
        pytest.param(associate_rq(), id="second association request"),
        pytest.param(b"\x06\x00\x00\x00\x00\x04abcd", id="release reply"),
        pytest.param(b"\x05\x00\x00\x00\x00\x05abcde", id="release of another length"),
        pytest.param(p_data(pdv(5, 3, c_store())), id="unknown context"),
        pytest.param(p_data(struct.pack(">IBB", 1, 1, 3)), id="fragment of length 1"),
        pytest.param(p_data(struct.pack(">IBB", 0, 1, 3)), id="fragment of length 0"),
        pytest.param(p_data(struct.pack(">IBB", 100, 1, 3) + b"abc"), id="fragment longer than its PDU"),
        pytest.param(p_data(struct.pack(">IBB", 2, 1, 3) + b"abc"), id="rest shorter than a fragment's head"),
        pytest.param(p_data(pdv(1, 0, b"data")), id="data without a command"),
        pytest.param(STORE + STORE, id="command within a data set"),
        pytest.param(p_data(pdv(1, 1, c_store()[:20])) + p_data(pdv(1, 2, b"data")), id="data within a command"),
        pytest.param(p_data(pdv(1, 3, b"")), id="empty command"),
        pytest.param(p_data(pdv(1, 3, c_store()[:-3])), id="command cut short"),
        pytest.param(p_data(pdv(1, 3, c_store() + b"abc")), id="command with half an element"),
        pytest.param(p_data(pdv(1, 3, element(0x0100, b"\xff" * 4))), id="command field of four bytes"),
        pytest.param(p_data(pdv(1, 3, NO_MESSAGE_ID)), id="no message ID"),
        pytest.param(p_data(pdv(1, 3, command(0x8001, element(0x0002, b"1.2 ")))), id="response"),
        pytest.param(p_data(pdv(1, 3, struct.pack("<HHI", 0x7FE0, 0x0010, 0))), id="group 7FE0 in a command"),
        pytest.param(p_data(pdv(1, 3, struct.pack("<HHI", 0, 0x0100, 0xFFFFFFFF))), id="4 GB element in a command"),
        pytest.param(p_data(pdv(1, 1, b"\0" * 16000)) * 2, id="command without end"),
        pytest.param(p_data(pdv(1, 1, c_store()[:20])) + p_data(pdv(3, 3, c_store()[20:])), id="command in two contexts"),
        pytest.param(STORE + p_data(pdv(3, 2, b"data")), id="data set in another context"),
    ],
)
def test_what_breaks_the_protocol_aborts_the_association(door: Door, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with door.peer().associate(associate_rq([(MR, ["1.2.840.10008.1.2.1"]), (MR, ["1.2.840.10008.1.2"])])) as peer:
        peer.send(sent)
        assert peer.pdu()[0] == 7
        assert peer.pdu()[0] == 0
    still_serves(door)
    assert [record.levelname for record in caplog.records if "aborted" in record.message] == ["WARNING"]


def test_an_abort_in_the_middle_of_a_file(door: Door) -> None:
    with door.peer().associate() as peer:
        peer.send(STORE + p_data(pdv(1, 0, b"half")) + b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00")
        assert peer.pdu()[0] == 0
    still_serves(door)


def test_a_reset_in_the_middle_of_a_file(door: Door) -> None:
    with door.peer().associate() as peer:
        peer.send(STORE + p_data(pdv(1, 0, b"half")))
        while not door.on_disk():
            pass
        peer.socket.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: close with a reset
    still_serves(door)


def test_a_thousand_that_connect_and_say_nothing_keep_nobody_out(open_door: Callable[..., Door]) -> None:
    door = open_door(waiting=50, request_seconds=60)
    threads = threading.active_count()
    silent = [door.peer() for _ in range(1000)]
    with door.peer().associate() as peer:
        assert peer.store(b"1.2.3", b"data") == 0
        assert threading.active_count() <= threads + 1
        assert len(door.receiver._callers) <= 50
    for one in silent:
        one.socket.close()


def test_a_connection_without_a_request_is_closed_in_time(open_door: Callable[..., Door]) -> None:
    door = open_door(request_seconds=0.1)
    with door.peer() as silent, door.peer() as half:
        half.send(associate_rq()[:50])
        assert silent.pdu()[0] == 0
        assert half.pdu()[0] == 0


def test_a_silent_association_is_aborted_in_time(open_door: Callable[..., Door]) -> None:
    door = open_door(idle_seconds=0.1)
    with door.peer().associate() as silent, door.peer().associate() as half:
        half.send(STORE + p_data(pdv(1, 0, b"half")))
        assert silent.pdu()[0] == 7
        assert half.pdu()[0] == 7
    door.settle()
    assert door.on_disk() == []


def send_forever(peer: Peer, data: bytes) -> None:
    while True:
        peer.send(data)


def test_a_peer_that_does_not_read_its_answers_is_dropped(open_door: Callable[..., Door]) -> None:
    door = open_door(idle_seconds=0.2)
    with door.peer().associate() as peer:
        echo = p_data(pdv(1, 3, command(0x0030, element(0x0002, MR.encode() + b"\0"), data_set=False)))
        with pytest.raises(ConnectionError):
            send_forever(peer, echo * 1000)
    door.settle()


def test_slow_peers_do_not_slow_others(door: Door) -> None:
    slow = [door.peer().associate() for _ in range(20)]
    for peer in slow:
        peer.send(STORE + p_data(pdv(1, 0, b"half")))
    with door.peer().associate() as peer:
        assert [peer.store(b"1.%d" % number, b"x" * 100_000) for number in range(20)] == [0] * 20
    for peer in slow:
        peer.socket.close()


def test_a_fault_of_ours_ends_one_association_and_is_logged_without_values(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch, door.peer().associate() as peer:

        def fail(*_: object) -> None:
            raise ValueError("Doe^John")

        patch.setattr(door.intake, "begin", fail)
        peer.send(STORE)
        assert peer.pdu()[0] == 7
        door.settle()
    assert "association of MR1 failed within: ValueError" in caplog.text
    assert "Doe" not in caplog.text
    still_serves(door)


def test_nothing_from_the_wire_is_logged(open_door: Callable[..., Door], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    door = open_door()
    with door.peer() as peer:
        peer.send(associate_rq(calling="DOE JOHN", called="SECRET"))
        assert peer.pdu()[0] == 3
    with door.peer() as peer:
        peer.send(associate_rq().replace(b"MR1" + b" " * 13, b"DOE\xe4" + b" " * 12))
        assert peer.pdu()[0] == 3
    with door.peer().associate(associate_rq(called="SECRET")) as peer:
        assert peer.store(b"1.2.99", b"DOE") == 0
        peer.send(p_data(pdv(1, 3, c_store(b"1.2.99\xff"))) + p_data(pdv(1, 2, b"DOE")))
        assert peer.status() == 0xC000
    door.settle()
    for secret in ("DOE", "SECRET", "1.2.99", MR):
        assert secret not in caplog.text
