"""A file on its way to a client: who loses it while it is sent is cut off; what went is counted."""

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from catalog.administration import Actor, list_tokens, remove_grant, remove_user, revoke_token
from catalog.audit import Wanted, entries, list_reads
from catalog.pure.errors import Unavailable
from gateway.http.requests import client_of
from gateway.http.sending import ArchivedFile, Sending
from tests.behaviour.suite import eventually
from tests.builders import BuiltArchive
from tests.gateway.http.serving import Serving, basic, new_token

ROOT = Actor("root")
BIG = 64 << 20
FILE = "/archive/S1/E1/001_MR_RAW/big.bin"
SMALL = "/archive/S1/E1/001_MR_RAW/small.bin"


@pytest.fixture
def serving(built_anywhere: BuiltArchive) -> Iterator[Serving]:
    built = built_anywhere
    for login in ("anna", "ben"):
        built.user(login)
    built.study("S1")
    for login in ("anna", "ben"):
        built.grant(login, "S1")
    built.add_series("S1/E1/001_MR_RAW", {"big.bin": b"b" * BIG, "small.bin": b"s" * 1000})
    with Serving(built) as running:
        yield running


class Download:
    """A client that has read the beginning of a large answer, and goes on when told."""

    def __init__(self, serving: Serving, authorization: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", serving.port), timeout=30)
        request = f"GET {FILE} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nUser-Agent: test/1\r\n"
        self.socket.sendall(f"{request}Connection: close\r\n\r\n".encode())
        self.got = len(self.socket.recv(65536))

    def is_whole(self) -> bool:
        """Read on; return whether all of it came."""
        with self.socket:
            try:
                while block := self.socket.recv(1 << 20):
                    self.got += len(block)
            except (ConnectionResetError, TimeoutError):
                return False
            return self.got > BIG  # the headers too

    def is_cut(self) -> bool:
        """Whether the server has ended the connection, which this client does not read from."""
        return self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET


REVOCATIONS: dict[str, Callable[[Serving], object]] = {
    "grant": lambda serving: remove_grant(serving.built.database, ROOT, "anna", "S1"),
    "user": lambda serving: remove_user(serving.built.database, ROOT, "anna"),
    "token": lambda serving: revoke_token(
        serving.built.database, ROOT, next(token.id for token in list_tokens(serving.built.database) if token.login == "anna")
    ),
}


@pytest.mark.parametrize("what", REVOCATIONS)
def test_who_loses_it_is_cut_off_and_others_are_not(serving: Serving, what: str) -> None:
    ben = Download(serving, basic("ben", new_token(serving.built, "ben")))
    anna = Download(serving, serving.authorization)
    REVOCATIONS[what](serving)
    assert eventually(anna.is_cut)
    assert not anna.is_whole()
    assert ben.is_whole()
    assert serving.request("GET", SMALL).status in {401, 404}
    assert "cut off" in serving.log.read_text()


def test_what_went_is_counted_under_the_clients_name(serving: Serving) -> None:
    agents = ["Microsoft-WebDAV-MiniRedir/10.0.19045", "rclone/v1.60.1"]
    for agent in agents:
        assert len(serving.request("GET", SMALL, {"User-Agent": agent}).body) == 1000
    assert len(serving.request("GET", SMALL, {"User-Agent": agents[1], "Range": "bytes=10-19"}).body) == 10
    assert serving.request("HEAD", SMALL).status == 200
    broken = Download(serving, serving.authorization)
    broken.socket.close()
    serving.stop()
    found = {row.program: row for row in list_reads(serving.built.database, Wanted())}
    assert {(row.login, row.face, row.exam) for row in found.values()} == {("anna", "webdav", "E1")}
    assert (found["Microsoft-WebDAV-MiniRedir"].files, found["Microsoft-WebDAV-MiniRedir"].bytes) == (1, 1000)
    assert (found["rclone"].files, found["rclone"].bytes) == (2, 1010)
    assert found["test"].files == 1
    assert 0 < found["test"].bytes < BIG
    assert set(found) == {"Microsoft-WebDAV-MiniRedir", "rclone", "test"}


def test_refused_logins_are_counted(serving: Serving) -> None:
    wrong = [basic("Anna", "wrong"), basic("anna", "archimed_wrong"), basic("Doe, John", "secret"), "Basic %%%", "Bearer x"]
    for header in wrong:
        assert serving.request("GET", SMALL, {"Authorization": header}).status == 401
    assert serving.request("GET", SMALL, anonymous=True).status == 401
    serving.stop()
    found = [entry for entry in entries(serving.built.database) if entry.action == "login.failed"]
    assert {(entry.subject, entry.detail["address"], entry.detail["count"]) for entry in found} == {
        ("anna", "127.0.0.1", 2), ("(unknown)", "127.0.0.1", 3),
    }  # fmt: skip


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_connection_that_serves_the_next_request_is_left_alone(pair: tuple[socket.socket, socket.socket]) -> None:
    """What was asked about one file must not end the connection of the next."""
    asking, asked = threading.Event(), threading.Event()
    sending = Sending(0.01)

    def slow() -> bool:
        asking.set()
        asked.wait(30)
        return False

    end = sending.begin(pair[0], slow)
    assert asking.wait(30)
    end()
    asked.set()
    later = threading.Event()
    sending.begin(pair[0], lambda: later.set() or True)  # type: ignore[func-returns-value]  # set and go on
    assert later.wait(30)
    pair[0].sendall(b"next")
    assert pair[1].recv(4) == b"next"


@pytest.mark.parametrize(("error", "goes_on"), [(Unavailable("away"), True), (KeyError("Doe"), False)])
def test_who_cannot_tell(
    pair: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture, error: Exception, goes_on: bool
) -> None:
    calls = []

    def fail() -> bool:
        calls.append(time.monotonic())
        raise error

    Sending(0.01).begin(pair[0], fail)
    assert eventually(lambda: len(calls) >= (3 if goes_on else 1))
    if goes_on:
        pair[0].sendall(b"on")
        assert pair[1].recv(2) == b"on"
    else:
        assert pair[1].recv(2) == b""
    assert "Doe" not in caplog.text


def test_a_file_counts_from_where_it_began(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    counted, ended = [], []

    class Counting:
        fd = os.open(file, os.O_RDONLY)

        def count(self, size: int) -> None:
            counted.append(size)

        def close(self) -> None:
            with suppress(OSError):  # it is closed once more, as an open file allows
                os.close(self.fd)

    sent = ArchivedFile(Counting(), Counting.fd, lambda: ended.append(1))  # type: ignore[arg-type]  # what it needs of an open file
    sent.seek(4)
    assert sent.read(3) == b"456"
    sent.close()
    sent.close()
    assert (counted, ended) == ([3], [1])


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("", ""), ("rclone/v1.60.1", "rclone"), ("Microsoft-WebDAV-MiniRedir/10.0.19045", "Microsoft-WebDAV-MiniRedir"),
        ("davfs2/1.6.1 neon/0.32.5", "davfs2"), ("WebDAVFS/3.0.0 (03008000) Darwin/21.6.0 (x86_64)", "WebDAVFS"),
        ("gvfs/1.50.3", "gvfs"), ("curl/7.88.1", "curl"), ("Cyberduck/8.5.9 (Windows 10)", "Cyberduck"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0", "Firefox"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/120.0", "Edg"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36", "Chrome"),
        ("Mozilla/4.0 (compatible)", "Mozilla"), ("  spaced", ""), ("\x00\x1b[2J", ""), ("(Doe John)", ""),
        ("x" * 99, "x" * 32),
        ("python-requests/2.31.0", "python-requests"), ("a.-/1", "a"),
    ],
)  # fmt: skip
def test_a_client_is_known_by_its_product(agent: str, name: str) -> None:
    assert client_of(agent) == name
