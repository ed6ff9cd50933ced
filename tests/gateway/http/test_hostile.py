"""Requests no decent client sends: each gets a short answer, nobody else notices, and nothing of it stands in the log."""

import base64
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from catalog.pure.errors import NotFound
from gateway.http.requests import segments
from tests.behaviour.suite import BIG, BIG_FOLDER, ODD, SERIES, SLICES, STUDY, fill
from tests.builders import BuiltArchive
from tests.gateway.http.serving import Serving, basic

FILE = f"/archive/{SERIES}/00007.dcm"
BIG_FILE = f"/archive/{quote(ODD)}/00001.dcm"
LARGE_LISTING = f"/archive/{BIG_FOLDER}/"


def request(serving: Serving, line: str, *headers: str) -> bytes:
    lines = [line, "Host: x", f"Authorization: {serving.authorization}", "Connection: close", *headers, "", ""]
    return serving.raw("\r\n".join(lines).encode("latin-1"))


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/archive/../etc/passwd", 404), ("/archive/%2e%2e/%2e%2e/etc/passwd", 404), ("/../../etc/passwd", 404),
        (f"/archive/{STUDY}/../SECRET", 404), (f"/archive/{STUDY}/E001/../../SECRET/E001", 404), ("/archive/./" + STUDY, 404),
        (f"/archive/{STUDY}/%00", 404), (f"{FILE}%00.txt", 404), (f"{FILE}%0d%0aX-Injected:1", 404),
        (f"/archive/{STUDY}%0a", 404),
        ("/archive/%ff%fe", 400), ("/archive/%c0%ae%c0%ae/", 400), ("/archive/%ed%a0%80", 400), ("/archive/%", 404),
        ("/archive/%zz", 404), (f"/archive/{STUDY}%2fE001", 200), (f"//archive//{STUDY}//E001//", 200),
        ("/archive/" + "a/" * 2000, 404),
        ("/archive/" + "x" * 256, 404), ("/archive/" + "x" * 8000, 404), ("/archive/" + "x" * 9000, 414),
        (f"/archive/{STUDY}' or '1'='1", 400), (f"/archive/{STUDY}'%20or%20'1'='1", 404), ("/archive/%F0%9F%92%A9", 404),
        (f"{FILE}?x=<script>&Authorization=1", 200), (f"{FILE}#fragment", 200), ("http://other/archive/", 200), ("*", 400),
        ("archive", 400),
    ],
)  # fmt: skip
def test_paths(serving: Serving, target: str, expected: int) -> None:
    answer = request(serving, f"GET {target} HTTP/1.1")
    assert status(answer) == expected
    assert b"X-Injected" not in answer
    assert b"root:" not in answer
    assert b"secret" not in answer


@pytest.mark.parametrize("path", ["/archive/a\0b", "/archive/a\nb", "/archive/\x7f", "/archive/..", "/archive/" + "ä" * 128])
def test_names_that_no_file_has_are_not_looked_up(path: str) -> None:
    """PostgreSQL fails on a NUL; the catalogue is not asked for what cannot be there."""
    with pytest.raises(NotFound):
        segments({"PATH_INFO": path.encode().decode("latin-1")})


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["GET /archive/ HTTP/1.1"] + [f"X-{n}: {n}" for n in range(200)], 431),
        (["GET /archive/ HTTP/1.1", "X-Long: " + "x" * 20_000], 431),
        (["GET /archive/ HTTP/1.1", "Host: y"], 400),
        (["GET /archive/ HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked"], 400),
        (["GET /archive/ HTTP/1.1", "Content-Length: -5"], 400),
        (["GET /archive/ HTTP/1.1", "Content-Length: five"], 400),
        (["GET /archive/ HTTP/1.1", "Bad Header: x"], 400),
        (["GET /archive/ HTTP/1.1", "SCRIPT_NAME: /archive"], 200),
        (["GET /archive/ HTTP/1.1", "Expect: the unexpected"], 417),
        (["GET /archive/ HTTP/9.9"], 400),
        (["GET /archive/"], 400),
        (["\x00\x01\x02"], 400),
        (["GET / HTTP/1.1", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"], 200),
    ],
)  # fmt: skip
def test_headers(serving: Serving, lines: list[str], expected: int) -> None:
    assert status(request(serving, *lines)) == expected


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip", "chunked, gzip", "identity", "x-chunked"])
def test_a_body_in_another_coding_is_refused(serving: Serving, coding: str) -> None:
    head = f"PUT /staging/x/E1/a HTTP/1.1\r\nHost: x\r\nAuthorization: {serving.authorization}\r\n"
    answer = serving.raw(head.encode() + f"Transfer-Encoding: {coding}\r\n\r\n".encode() + b"5\r\nhello\r\n0\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 501 ", b"HTTP/1.1 400 ")), answer[:100]
    if coding == "gzip, chunked":
        assert answer.startswith(b"HTTP/1.1 501 ")


def test_a_request_names_its_host(serving: Serving) -> None:
    for version, expected in (("1.1", b"400"), ("1.0", b"401")):
        assert serving.raw(f"GET /archive/ HTTP/{version}\r\n\r\n".encode()).split()[1] == expected
    assert serving.raw(b"GET /archive/ HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n").split()[1] == b"401"


@pytest.mark.parametrize(
    "secret", ["x" * 10_000, "x" * 12_000, "a\0b", "amt_" + "x" * 900, "amt_\0", "ä" * 400, "' or 1=1 --", "\r\n", "%s%n"]
)
def test_passwords(serving: Serving, secret: str) -> None:
    reply = serving.request("GET", "/archive/", {"Authorization": basic("anna", secret)})
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PROPFIND"])
def test_bodies_nobody_asked_for(serving: Serving, method: str) -> None:
    reply = serving.request(method, FILE, {"Depth": "0"}, b"x" * 100_000)
    assert reply.status in {200, 400, 403, 415}
    assert serving.request("GET", FILE).body == SLICES["00007.dcm"]


def test_an_upload_without_a_login_is_refused_unread(serving: Serving) -> None:
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as connection:
        connection.sendall(b"PUT /archive/x HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n")
        # The answer comes though not a byte of the body was sent.
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nConnection: close\r\n" in answer


def test_a_request_behind_a_refused_body_is_not_run(serving: Serving) -> None:
    hidden = b"GET /archive/ HTTP/1.1\r\nHost: x\r\n\r\n"
    head = f"PUT {FILE} HTTP/1.1\r\nHost: x\r\nAuthorization: {serving.authorization}\r\nContent-Length: {len(hidden)}\r\n\r\n"
    answer = serving.raw(head.encode() + hidden)
    assert answer.count(b"HTTP/1.1 ") == 1


def test_clients_that_hang_up_in_the_middle(serving: Serving) -> None:
    for path, depth in ((BIG_FILE, "0"), (LARGE_LISTING, "1")):
        method = "GET" if path == BIG_FILE else "PROPFIND"
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nDepth: {depth}\r\nAuthorization: {serving.authorization}\r\n\r\n"
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as connection:
                # Linger 0: the connection is reset, not closed.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(head.encode())
                connection.recv(100)
    assert serving.request("GET", BIG_FILE).body == BIG


def test_silent_and_slow_clients_do_not_hold_others_up(serving: Serving) -> None:
    silent = [socket.create_connection(("127.0.0.1", serving.port)) for _ in range(40)]
    try:
        for connection in silent[:2]:
            connection.sendall(b"GET /archive/ HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda _: serving.request("GET", FILE), range(20)))
        assert all(reply.body == SLICES["00007.dcm"] for reply in replies)
    finally:
        for connection in silent:
            connection.close()


@pytest.mark.parametrize("stage", ["headers", "body", "reading"])
def test_a_client_that_stalls_is_cut_off(built: BuiltArchive, stage: str) -> None:
    head = "Host: x\r\nAuthorization: %s\r\nDepth: 0\r\n"
    with Serving(fill(built), threads=1, stalled=1) as serving, socket.socket() as connection:
        # A small window: the kernel takes little of a file off the server's hands.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", serving.port))
        lines = head % serving.authorization
        if stage == "headers":
            connection.sendall(f"GET {FILE} HTTP/1.1\r\n{lines}".encode())
        elif stage == "body":
            connection.sendall(f"PROPFIND {FILE} HTTP/1.1\r\n{lines}Content-Length: 50\r\n\r\n<D:".encode())
        else:
            connection.sendall(f"GET {BIG_FILE} HTTP/1.1\r\n{lines}\r\n".encode())
            connection.recv(1)
        # The only thread is free again: another client gets its answer, while this one still holds on.
        assert serving.request("GET", FILE).body == SLICES["00007.dcm"]
        if stage == "body":
            assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_nothing_that_was_sent_stands_in_the_log(own_serving: Serving) -> None:
    named = "DOE^JANE-19700101"
    requests = [
        f"GET /archive/{quote(named)} HTTP/1.1", f"PUT /archive/{STUDY}/E001/{quote(named)} HTTP/1.1",
        f"GET {FILE}?patient={quote(named)} HTTP/1.1", f"{named} / HTTP/1.1", f"GET /{named} x HTTP/1.1", f"GET {named}",
        f"PROPFIND /{quote(named)} HTTP/1.1", f"{named.replace('^', '-')} /archive/ HTTP/1.1",
    ]  # fmt: skip
    for line in requests:
        request(own_serving, line, f"Referer: http://{named}/", f"X-Name: {named}")
        request(own_serving, line, f"Bad {named}: x")
    own_serving.request("GET", "/archive/", {"Authorization": basic(named, "secret-word")})
    own_serving.stop()
    log = own_serving.log.read_text()
    assert f"GET {FILE} 200 700 bytes" in log
    for secret in ("DOE", "19700101", "secret-word", own_serving.token, base64.b64encode(b"anna:").decode()[:6], "Traceback"):
        assert secret not in log
