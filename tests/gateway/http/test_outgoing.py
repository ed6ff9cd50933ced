"""Answers that wait for their readers: they hold no thread, have shares, and end when nobody reads."""

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from catalog.pure.errors import Unavailable
from gateway.http import outgoing
from gateway.http.outgoing import MOST_OF_USER, Outgoing, Sender, Shares
from tests.behaviour.suite import eventually
from tests.builders import BuiltArchive
from tests.gateway.http.serving import DEPTH_1, Serving
from tests.gateway.http.test_sending import FILE, SMALL, Download

BIG = 8 << 20
SERIES = "/archive/S1/E1/001_MR_RAW/"


@pytest.fixture
def filled(built: BuiltArchive) -> BuiltArchive:
    built.user("anna")
    built.study("S1")
    built.grant("anna", "S1")
    # More than the kernel keeps for one connection.
    built.add_series("S1/E1/001_MR_RAW", {"big.bin": b"b" * BIG, "small.bin": b"s" * 1000})
    return built


def test_readers_who_do_not_read_stop_nobody(filled: BuiltArchive) -> None:
    with Serving(filled, threads=2) as serving, ExitStack() as held:
        waiting = [Download(serving, serving.authorization) for _ in range(MOST_OF_USER)]
        for one in waiting:
            held.callback(one.socket.close)
        assert serving.request("HEAD", SMALL).status == 200
        assert len(serving.request("GET", SERIES, DEPTH_1).body) > 0
        assert serving.request("PROPFIND", SERIES, DEPTH_1).status == 207
        refused = serving.request("GET", FILE)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        waiting[0].socket.close()
        assert eventually(lambda: serving.request("GET", FILE, {"Range": "bytes=0-9"}).status == 206)
        whole = waiting[1]
        while block := whole.socket.recv(1 << 20):
            whole.got += len(block)
        assert whole.got > BIG


def test_who_reads_nothing_is_cut_off_in_the_end(filled: BuiltArchive) -> None:
    with Serving(filled, threads=2, stalled=1) as serving:
        silent = Download(serving, serving.authorization)
        with silent.socket:
            assert eventually(silent.is_cut)


def test_requests_in_a_row_whose_answers_nobody_reads_hold_no_thread(filled: BuiltArchive) -> None:
    with Serving(filled, threads=2) as serving, ExitStack() as held:
        for _ in range(4):
            greedy = held.enter_context(socket.create_connection(("127.0.0.1", serving.port)))
            head = f"Host: x\r\nAuthorization: {serving.authorization}\r\nDepth: 1\r\nContent-Length: 0\r\n\r\n"
            greedy.sendall((f"PROPFIND {SERIES} HTTP/1.1\r\n{head}" * 200).encode())
        assert serving.request("HEAD", SMALL).status == 200


@pytest.fixture
def pair() -> Iterator[tuple[Outgoing, socket.socket]]:
    ours, theirs = socket.socketpair()
    with Outgoing(ours) as connection, theirs:
        connection.settimeout(30)
        yield connection, theirs


def read_all(connection: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        found += connection.recv(1 << 20)
    return bytes(found)


def test_bytes_pieces_and_files_come_in_order(pair: tuple[Outgoing, socket.socket], tmp_path: Path) -> None:
    connection, reader = pair
    file = tmp_path / "file"
    file.write_bytes(b"0123456789" * 300_000)
    sender, ended = Sender(), []
    for body, size, expected in (
        (io.FileIO(file), 3_000_000, file.read_bytes()),
        (iter([b"a" * 1_000_000, b"", b"b" * 1_000_000]), 2_000_000, b"a" * 1_000_000 + b"b" * 1_000_000),
    ):
        head = b"h" * 500_000
        done = threading.Event()
        connection.sendall(head)
        connection.hand_over(body, size, lambda: ended.append(1))
        sender.add(connection, lambda whole, done=done: done.set() if whole else None)  # type: ignore[misc]
        assert read_all(reader, len(head) + size) == head + expected
        assert done.wait(30)
        assert connection.is_empty
    assert len(ended) == 2
    sender.stop()


def test_what_waits_in_memory_is_bounded(pair: tuple[Outgoing, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    connection, _ = pair
    monkeypatch.setattr(outgoing, "_LOOK_SECONDS", 0.01)
    connection.settimeout(0.05)
    for _ in range(outgoing.MOST_WAITING >> 20):
        connection.sendall(b"x" * (1 << 20))
    with pytest.raises(TimeoutError):
        connection.sendall(b"x" * (2 << 20))
    assert connection._left_bytes <= outgoing.MOST_WAITING + (2 << 20)


def test_who_reads_slowly_but_reads_goes_on(pair: tuple[Outgoing, socket.socket]) -> None:
    connection, reader = pair
    connection.settimeout(0.001)
    connection.sendall(b"x" * (4 << 20))
    read_all(reader, 150_000)
    connection._watched_since = 0
    connection.require_progress()
    connection._watched_since = 0
    with pytest.raises(TimeoutError):
        connection.require_progress()


def test_each_has_a_share() -> None:
    shares = Shares(user=2, address=3, all_together=4)
    given = [shares.take("anna", "1"), shares.take("anna", "1")]
    with pytest.raises(Unavailable):
        shares.take("anna", "2")
    given.append(shares.take("ben", "1"))
    with pytest.raises(Unavailable):
        shares.take("carl", "1")
    given.append(shares.take("carl", "2"))
    with pytest.raises(Unavailable):
        shares.take("dora", "3")
    for give_back in given:
        give_back()
        give_back()
    assert not shares._taken
