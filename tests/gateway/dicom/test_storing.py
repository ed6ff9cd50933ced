"""What comes in is what was sent, durable and once; what does not come in leaves nothing."""

import io
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pydicom.filereader
import pydicom.filewriter
import pytest
import sqlalchemy as sa

from catalog.database.tables import batches
from catalog.pure.errors import OutOfSpace, Unavailable
from tests.gateway.dicom.conftest import Door
from tests.gateway.dicom.peer import MR, RELEASE, VERIFICATION, associate_rq, c_echo, c_store, command, element, p_data, pdv

SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700


def test_the_file_is_a_head_of_ours_and_the_data_set_as_sent(door: Door) -> None:
    data = bytes(range(256)) * 3000
    with door.peer().associate() as peer:
        assert peer.store(b"1.2.3", data) == SUCCESS
        assert door.data_sets() == [data], "kept before the answer, not after the release"
        peer.release()
    head = pydicom.filereader.read_file_meta_info(door.on_disk()[0])
    assert head.MediaStorageSOPClassUID == MR
    assert head.MediaStorageSOPInstanceUID == "1.2.3"
    assert head.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert head.SourceApplicationEntityTitle == "MR1"
    assert head.ImplementationVersionName == "ARCHIMED_1"
    pydicom.filewriter.write_file_meta_info(written := io.BytesIO(), head, enforce_standard=False)
    assert door.staged()[0][132:].startswith(written.getvalue()), "the head is as pydicom would write it"


@pytest.mark.parametrize("longest", [1, 7, 1000, 262_138])
def test_any_cut_into_fragments_gives_the_same_bytes(door: Door, longest: int) -> None:
    data = bytes(i * i % 251 for i in range(min(2000 * longest, 700_000)))
    with door.peer().associate() as peer:
        assert peer.store(b"1.2.3", data, longest=longest) == SUCCESS
    assert door.data_sets() == [data]


def test_several_fragments_in_one_pdu_and_empty_ones(door: Door) -> None:
    with door.peer().associate() as peer:
        whole = c_store(b"1.2.3")
        peer.send(p_data(pdv(1, 1, whole[:50]), pdv(1, 1, b""), pdv(1, 3, whole[50:]), pdv(1, 0, b"ab"), pdv(1, 0, b"")))
        peer.send(p_data(pdv(1, 0, b"cd"), pdv(1, 2, b"")))
        assert peer.status() == SUCCESS
    assert door.data_sets() == [b"abcd"]


def test_bytes_that_trickle_in(door: Door) -> None:
    with door.peer() as peer:
        for number in associate_rq():
            peer.send(bytes((number,)))
        assert peer.pdu()[0] == 2
        for number in p_data(pdv(1, 3, c_store(b"1.2.3"))) + p_data(pdv(1, 2, b"abc")):
            peer.send(bytes((number,)))
        assert peer.status() == SUCCESS
    assert door.data_sets() == [b"abc"]


def test_an_empty_data_set_is_kept_for_the_gate_to_judge(door: Door) -> None:
    with door.peer().associate() as peer:
        assert peer.store(b"1.2.3", b"") == SUCCESS
    assert door.data_sets() == [b""]


def test_the_same_instance_twice_is_one(door: Door) -> None:
    with door.peer().associate() as peer:
        assert peer.store(b"1.2.3", b"same") == SUCCESS
        assert peer.store(b"1.2.3", b"same") == SUCCESS
        assert peer.store(b"1.2.3", b"same", context=1) == SUCCESS
    with door.peer().associate() as peer:
        assert peer.store(b"1.2.3", b"same") == SUCCESS
    assert door.data_sets() == [b"same"]
    assert len(door.on_disk()) == 1


def test_no_name_on_disk_comes_from_the_wire(door: Door) -> None:
    uids = [b"../../../../etc/passwd", b"/etc/passwd", b"a b;c", b"..", b"1.2.3/4"]
    with door.peer().associate() as peer:
        assert [peer.store(uid, uid) for uid in uids] == [SUCCESS] * 5
    assert door.data_sets() == uids
    assert all(path.name.isdigit() for path in door.on_disk())


def test_echo_in_between(door: Door) -> None:
    with door.peer().associate(associate_rq([(MR, ["1.2.840.10008.1.2"]), (VERIFICATION, ["1.2.840.10008.1.2"])])) as peer:
        for context in (3, 1):
            peer.send(p_data(pdv(context, 3, c_echo())))
            assert peer.status() == SUCCESS
        assert peer.store(b"1.2.3", b"data") == SUCCESS
        peer.release()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (c_store(None), 0xC000),
        (c_store(b""), 0xC000),
        (c_store(b"1" * 129), 0xC000),
        (c_store("1.2.ä".encode()), 0xC000),
        (c_store(b"1.2\n3"), 0xC000),
        (c_store(sop_class=b"1.2.840.10008.5.1.4.1.1.2"), 0x0122),
        (command(0x0020, element(0x0002, MR.encode())), 0x0211),
    ],
    ids=["no instance", "empty", "too long", "not ASCII", "control character", "other SOP class", "C-FIND"],
)
def test_a_request_that_cannot_be_served_is_answered_and_the_association_goes_on(door: Door, sent: bytes, status: int) -> None:
    with door.peer().associate() as peer:
        peer.send(p_data(pdv(1, 3, sent)) + p_data(pdv(1, 0, b"x" * 1000)) + p_data(pdv(1, 2, b"y")))
        assert peer.status() == status
        assert peer.store(b"1.2.3", b"data") == SUCCESS
    assert door.data_sets() == [b"data"]
    assert len(door.on_disk()) == 1


def test_a_store_without_data_set_is_refused(door: Door) -> None:
    with door.peer().associate() as peer:
        peer.send(p_data(pdv(1, 3, c_store(b"1.2.3", data_set=False))))
        assert peer.status() == 0xC001
        assert peer.store(b"1.2.3", b"data") == SUCCESS


def test_a_store_over_verification_is_refused(door: Door) -> None:
    with door.peer().associate(associate_rq([(VERIFICATION, ["1.2.840.10008.1.2"])])) as peer:
        peer.send(p_data(pdv(1, 3, c_store(sop_class=VERIFICATION.encode()))) + p_data(pdv(1, 2, b"y")))
        assert peer.status() == 0x0122


def test_an_answer_fits_into_what_the_peer_takes(door: Door) -> None:
    with door.peer().associate(associate_rq(longest=50)) as peer:
        peer.send(p_data(pdv(1, 3, c_store(b"1.2.3"))) + p_data(pdv(1, 2, b"data")))
        answer, last = b"", False
        while not last:
            kind, body = peer.pdu()
            assert kind == 4
            assert len(body) <= 50
            last = bool(body[5] & 2)
            answer += body[6:]
        assert struct.pack("<HHIH", 0, 0x0900, 2, SUCCESS) in answer
        peer.release()


def test_a_sender_that_dies_within_a_file_leaves_nothing(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with door.peer().associate() as peer:
        assert peer.store(b"1.2.2", b"whole") == SUCCESS
        peer.send(p_data(pdv(1, 3, c_store(b"1.2.3"))) + p_data(pdv(1, 0, b"x" * 10_000)))
    door.settle()
    assert door.data_sets() == [b"whole"]
    assert len(door.on_disk()) == 1
    assert "association of MR1 aborted: it closed the connection without a release" in caplog.messages
    assert "1.2.3" not in caplog.text


@pytest.mark.parametrize("error", [OutOfSpace("full"), Unavailable("locked")])
@pytest.mark.parametrize("when", ["begin", "_commit"])
def test_what_cannot_be_kept_is_refused_and_later_ones_are_kept(
    door: Door, monkeypatch: pytest.MonkeyPatch, when: str, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    with door.peer().associate() as peer:
        with monkeypatch.context() as patch:
            patch.setattr(door.intake, when, fail)
            assert peer.store(b"1.2.3", b"a" * 100_000) == OUT_OF_RESOURCES
            assert door.on_disk() == []
        assert peer.store(b"1.2.3", b"b") == SUCCESS
    assert door.data_sets() == [b"b"]


def test_eight_associations_at_once(door: Door) -> None:
    def send(number: int) -> list[int]:
        with door.peer().associate() as peer:
            found = [peer.store(b"1.%d.%d" % (number, index), b"%d " % number * 20_000) for index in range(20)]
            peer.release()
            return found

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(send, range(8))) == [[SUCCESS] * 20] * 8
    assert sorted(door.data_sets()) == sorted([b"%d " % number * 20_000 for number in range(8)] * 20)
    assert [row.files for row in door.database.rows(sa.select(batches.c.files))] == [160]


def test_stopping_finishes_the_file_under_way_and_answers_it(door: Door) -> None:
    with door.peer().associate() as idle, door.peer().associate() as busy:
        busy.send(p_data(pdv(1, 3, c_store(b"1.2.3"))) + p_data(pdv(1, 0, b"first ")))
        while not door.on_disk():
            pass
        stopping = threading.Thread(target=door.stop)
        stopping.start()
        assert idle.pdu()[0] == 7
        busy.send(p_data(pdv(1, 2, b"second")))
        assert busy.status() == SUCCESS
        assert busy.pdu()[0] == 7
        stopping.join()
    assert door.data_sets() == [b"first second"]


def test_a_request_after_the_release_is_not_read(door: Door) -> None:
    with door.peer().associate() as peer:
        peer.send(RELEASE + p_data(pdv(1, 3, c_store(b"1.2.3"))) + p_data(pdv(1, 2, b"late")))
        assert peer.pdu()[0] == 6
    door.settle()
    assert door.staged() == []
