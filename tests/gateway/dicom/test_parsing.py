"""The parsers on whatever bytes: their own error or a value, the same however the bytes are cut, in bounded memory."""

import contextlib
import io
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom import dsutils

from gateway.dicom import command as commands
from gateway.dicom import negotiation, pdu
from gateway.dicom.pdu import Fragment, PeerError, Stream
from tests.gateway.dicom.peer import MR, RELEASE, associate_rq, c_store, command, p_data, pdv

CONTEXTS = {1, 3}

fragments = st.builds(pdv, st.sampled_from([1, 3]), st.integers(0, 3), st.binary(max_size=300))
honest = st.lists(st.lists(fragments, min_size=1, max_size=4).map(lambda pdvs: p_data(*pdvs)), max_size=6).map(b"".join)
cuts = st.lists(st.integers(1, 400), min_size=1, max_size=20)


def read(data: bytes, sizes: list[int]) -> list[object]:
    """Feed bytes in pieces of these sizes, again and again; return what they said, neighbouring pieces put together."""
    stream, found, turn = Stream(CONTEXTS), [], 0
    while data:
        space = stream.space()
        count = min(len(space), len(data), sizes[turn % len(sizes)])
        assert count, "there is always room for more"
        turn += 1
        space[:count], data = data[:count], data[count:]
        stream.received(count)
        for event in stream.events():
            if isinstance(event, Fragment):
                found.append((event.context, event.command, event.last, bytes(event.data)))
            else:
                found.append(event)
                return found
    return found


def joined(events: list[object]) -> list[object]:
    result: list[object] = []
    for event in events:
        if isinstance(event, tuple) and len(event) == 4:
            context, is_command, last, data = event
            if result and isinstance(result[-1], list) and result[-1][:2] == [context, is_command] and not result[-1][2]:
                result[-1][2:] = [last, result[-1][3] + data]
            else:
                result.append([context, is_command, last, data])
        else:
            result.append(event)
    return result


@given(honest, cuts)
def test_the_same_however_it_is_cut(data: bytes, sizes: list[int]) -> None:
    assert joined(read(data + RELEASE, sizes)) == joined(read(data + RELEASE, [10**9]))


@given(st.one_of(st.binary(max_size=400), st.tuples(honest, st.binary(max_size=50)).map(b"".join)), cuts)
def test_any_bytes_give_events_or_our_error(data: bytes, sizes: list[int]) -> None:
    with contextlib.suppress(PeerError):
        read(data, sizes)


@given(st.data())
@settings(max_examples=300)
def test_a_changed_byte_gives_events_or_our_error(data: st.DataObject) -> None:
    sent = bytearray(p_data(pdv(1, 3, c_store())) + p_data(pdv(1, 0, b"abc"), pdv(1, 2, b"def")) + RELEASE)
    for place in data.draw(st.lists(st.integers(0, len(sent) - 1), min_size=1, max_size=4)):
        sent[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PeerError):
        read(bytes(sent), [7])


def test_a_stream_stays_in_its_buffer() -> None:
    stream = Stream(CONTEXTS)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            space = stream.space()
            message = p_data(pdv(1, 0, b"x" * 200_000))
            count = min(len(space), len(message))
            space[:count] = message[:count]
            stream.received(count)
            for _event in stream.events():
                pass
            if count < len(message):
                stream.space()[: len(message) - count] = message[count:]
                stream.received(len(message) - count)
                for _event in stream.events():
                    pass
        assert tracemalloc.get_traced_memory()[0] - before < 500_000
    finally:
        tracemalloc.stop()


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda rest: c_store() + rest)))
def test_any_command_set_gives_a_command_or_our_error(data: bytes) -> None:
    try:
        found = commands.parse(data)
    except PeerError:
        return
    for status in commands.Status:
        assert len(status.comment) <= 64
        assert commands.response(found, status)


@pytest.mark.parametrize("status", commands.Status)
def test_an_answer_is_what_others_read(status: commands.Status) -> None:
    answer = commands.response(commands.parse(c_store(b"1.2.3")), status)
    found = dsutils.decode(io.BytesIO(answer), True, True)
    assert found.CommandGroupLength == len(answer) - 12
    assert (found.CommandField, found.MessageIDBeingRespondedTo, found.CommandDataSetType) == (0x8001, 7, 0x0101)
    assert (found.AffectedSOPClassUID, found.AffectedSOPInstanceUID) == (MR, "1.2.3")
    assert found.Status == status
    assert found.get("ErrorComment", "") == status.comment


def test_a_command_set_is_read() -> None:
    found = commands.parse(c_store(b"1.2.3"))
    assert (found.field, found.message, found.has_data_set) == (1, 7, True)
    assert (found.sop_class, found.sop_instance) == (MR.encode(), b"1.2.3")
    assert commands.parse(command(0x0030, data_set=False)).has_data_set is False


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_association_request_gives_a_request_we_can_answer_or_our_error(data: st.DataObject) -> None:
    sent = bytearray(associate_rq([(MR, ["1.2.840.10008.1.2"]), ("1.2.3.4", ["1.2.3", "1.2.840.10008.1.2.1"])]))
    for place in data.draw(st.lists(st.integers(6, len(sent) - 1), max_size=4)):
        sent[place] = data.draw(st.integers(0, 255))
    sent = sent[: data.draw(st.integers(6, len(sent)))] + data.draw(st.binary(max_size=30))
    try:
        request = negotiation.parse(bytes(sent))
    except PeerError:
        return
    contexts = [negotiation.accepted(one, negotiation.Roles.REQUESTOR_IS_SCU, negotiation.as_sent) for one in request.proposed]
    assert negotiation.accept(request, contexts)[0] == pdu.ASSOCIATE_AC
    for context in contexts:
        assert 0 < len(context.sop_class) <= 64


@given(st.binary(min_size=1, max_size=400), st.integers(0, 200))
def test_an_answer_is_cut_to_what_the_peer_takes(answer: bytes, longest: int) -> None:
    sent = pdu.command_pdus(3, answer, longest)
    found = joined(read(sent, [10**9]))
    assert found == [[3, True, True, answer]]
    at = 0
    while at < len(sent):
        length = pdu.type_and_length(sent, at)[1]
        assert not longest or length <= max(longest, 8)
        at += length + 6
