"""PUT: whole files or nothing, and what is said of them."""

import hashlib
import random
import socket
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.administration import Scope
from catalog.database.tables import tokens
from tests.behaviour.dropping import STUDY, fill, review_of, seal_all
from tests.behaviour.suite import eventually
from tests.builders import BuiltArchive
from tests.gateway.http.serving import Reply, Serving, basic, new_token
from tests.gateway.http.staging.conftest import BOTH, FOLDER

FILE = f"{FOLDER}/scan.dat"
LOCKINFO = (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>'
)
BODY = random.Random(7).randbytes(300_000)


def head(serving: Serving, *lines: str, path: str = FILE) -> bytes:
    return "\r\n".join(
        [f"PUT {path} HTTP/1.1", "Host: x", f"Authorization: {serving.authorization}", *lines, "", ""]
    ).encode()  # fmt: skip


def content(serving: Serving, path: str = FILE) -> bytes | None:
    """Return a file's bytes, None if it is not there."""
    reply = serving.request("GET", path)
    assert reply.status in {200, 404}
    return reply.body if reply.status == 200 else None


def left_over(serving: Serving) -> list[Path]:
    """Return what lies where uploads come in."""
    return list((serving.built.folder / "var" / "staging" / "drops").glob("*/incoming/*"))


@pytest.mark.parametrize("before", [None, b"before"])
@pytest.mark.parametrize(
    "sent",
    [
        ("Content-Length: 300000", BODY[:1000]),
        ("Content-Length: 300000", b""),
        ("Transfer-Encoding: chunked", b"3e8\r\n" + BODY[:1000] + b"\r\n"),
        ("Transfer-Encoding: chunked", b"3e8\r\n" + BODY[:500]),
        ("Transfer-Encoding: chunked", b"zzz\r\n"),
        ("Transfer-Encoding: chunked\r\nX-Expected-Entity-Length: 1001", b"3e8\r\n" + BODY[:1000] + b"\r\n0\r\n\r\n"),
    ],
    ids=["truncated", "none came", "chunks end", "a chunk ends", "bad chunk", "shorter than expected"],
)
def test_what_did_not_come_whole_changes_nothing(taking: Serving, before: bytes | None, sent: tuple[str, bytes]) -> None:
    if before is not None:
        assert taking.request("PUT", FILE, body=before).status == 201
    answer = taking.raw(head(taking, sent[0]) + sent[1])
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert content(taking) == before
    assert left_over(taking) == []


def test_an_aborted_upload_changes_nothing(taking: Serving) -> None:
    assert taking.request("PUT", FILE, body=b"before").status == 201
    with socket.create_connection(("127.0.0.1", taking.port)) as connection:
        connection.sendall(head(taking, "Content-Length: 900000") + BODY * 2)
        assert eventually(lambda: left_over(taking) != [])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an orderly end
    assert eventually(lambda: left_over(taking) == [])
    assert content(taking) == b"before"


@pytest.mark.parametrize("how", ["Content-Length: 300000", "Transfer-Encoding: chunked"])
def test_whole_bodies_are_kept(taking: Serving, how: str) -> None:
    framed = BODY if "Length" in how else b"".join(
        b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (BODY[:1], BODY[1:70_000], BODY[70_000:])
    ) + b"0\r\n\r\n"  # fmt: skip
    assert taking.raw(head(taking, how) + framed).startswith(b"HTTP/1.1 201 ")
    assert content(taking) == BODY
    assert taking.raw(head(taking, how) + framed).startswith(b"HTTP/1.1 204 ")


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("SHA1", hashlib.sha1(BODY, usedforsecurity=False).hexdigest()),
        ("SHA256", hashlib.sha256(BODY).hexdigest().upper()),
        ("md5", hashlib.md5(BODY, usedforsecurity=False).hexdigest()),
        ("Adler32", f"{zlib.adler32(BODY):08x}"),
    ],
)
def test_a_digest_is_held_against_the_bytes(taking: Serving, name: str, digest: str) -> None:
    assert taking.request("PUT", FILE, {"OC-Checksum": f"{name}:{digest}"}, BODY).status == 201
    wrong = taking.request("PUT", FILE, {"OC-Checksum": f"{name}:{digest}"}, BODY[:-1] + b"x")
    assert wrong.status == (400 if BODY[-1:] != b"x" else 204)
    assert content(taking) == BODY
    assert left_over(taking) == []


def test_times_are_kept(taking: Serving) -> None:
    reply = taking.request("PUT", FILE, {"X-OC-Mtime": "1234567890.25"}, b"x")
    assert (reply.status, reply.headers["X-OC-MTime"]) == (201, "accepted")
    assert taking.request("HEAD", FILE).headers["Last-Modified"] == "Fri, 13 Feb 2009 23:31:30 GMT"
    assert taking.request("PUT", FILE, {"X-OC-Mtime": "yesterday"}, b"y").status == 400
    assert content(taking) == b"x"


def test_conditions(taking: Serving) -> None:
    assert taking.request("PUT", FILE, {"If-Match": "*"}, b"x").status == 412
    first = taking.request("PUT", FILE, {"If-None-Match": "*"}, b"1")
    assert first.status == 201
    assert taking.request("PUT", FILE, {"If-None-Match": "*"}, b"2").status == 412
    second = taking.request("PUT", FILE, {"If-Match": first.headers["ETag"]}, b"2")
    assert second.status == 204
    assert second.headers["ETag"] != first.headers["ETag"]
    assert taking.request("PUT", FILE, {"If-Match": first.headers["ETag"]}, b"3").status == 412
    assert taking.request("DELETE", FILE, {"If": f"([{first.headers['ETag']}])"}).status == 412
    other = taking.url + FOLDER + "/other"
    assert taking.request("PUT", FILE, {"If": f"<{other}> ([{second.headers['ETag']}])"}, b"3").status == 412
    assert taking.request("PUT", FILE, {"If": f"<{taking.url}{FILE}> (Not [{first.headers['ETag']}])"}, b"3").status == 204
    for broken in ("(", "()", ")", "nonsense", "(<a>", "<a> <b", "(Not)", "([x)"):
        assert taking.request("PUT", FILE, {"If": broken}, b"4").status in {400, 412}, broken
    assert content(taking) == b"3"


def test_parts_of_a_file_can_be_read(taking: Serving) -> None:
    assert taking.request("PUT", FILE, body=BODY).status == 201
    part = taking.request("GET", FILE, {"Range": "bytes=100-199"})
    assert (part.status, part.body) == (206, BODY[100:200])
    tag = part.headers["ETag"]
    assert taking.request("GET", FILE, {"If-None-Match": tag}).status == 304
    assert taking.request("PUT", FILE, {"X-OC-Mtime": "1234567890"}, BODY).status == 204
    assert taking.request("GET", FILE, {"Range": "bytes=100-199", "If-Range": tag}).status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{FOLDER}/nothing/file", 409),
        (f"/staging/{STUDY}/E009/file", 409),
        (f"/staging/{STUDY}/file", 403),
        ("/staging/file", 404),
        ("/staging/SECRET/E001/file", 404),
        ("/staging/SECRET/file", 404),
        (f"{FOLDER}/_REPORT.txt", 403),
        (FOLDER, 405),
        (f"{FOLDER}/{'n' * 256}", 400),
        (f"{FOLDER}/file#fragment", 400),
    ],
)
@pytest.mark.parametrize("body", [b"x", bytes(2_000_000)], ids=["small", "large"])
def test_where_nothing_can_be_put(taking: Serving, path: str, status: int, body: bytes) -> None:
    answer = taking.raw(head(taking, f"Content-Length: {len(body)}", path=path) + body[:1000])
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    # A large body that nobody reads ends the connection.
    assert (b"\r\nConnection: close\r\n" in answer) or len(body) == 1


def test_a_body_is_refused_before_it_is_read(taking: Serving) -> None:
    for line, status in (
        ("Authorization: Basic " + "x" * 10, 401),
        ("X: y", 401),
        (f"Authorization: {basic('anna', new_token(taking.built, 'anna', Scope.READ))}", 403),
        (f"Authorization: {basic('lea', new_token(taking.built, 'lea', *BOTH))}", 404),
    ):
        # No body follows: an answer that waited for one would not come.
        lines = [f"PUT {FILE} HTTP/1.1", "Host: x", line, "Content-Length: 10000000000", "", ""]
        with socket.create_connection(("127.0.0.1", taking.port), timeout=30) as connection:
            connection.sendall("\r\n".join(lines).encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 %d " % status)


def test_what_is_sealed_is_refused_in_words(own_taking: Serving) -> None:
    assert own_taking.request("PUT", FILE, body=b"x").status == 201
    seal_all(own_taking.built)
    for method, more in (("PUT", {}), ("DELETE", {}), ("MOVE", {"Destination": FOLDER + "/b"}), ("LOCK", {})):
        refused = own_taking.request(method, FILE, more, LOCKINFO if method in {"PUT", "LOCK"} else None)
        assert (refused.status, "sealed" in refused.text) == (403, True), method
    patched = own_taking.request("PROPPATCH", FILE, body=b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><a xmlns="x">1</a></D:prop></D:set></D:propertyupdate>')  # fmt: skip # noqa: E501
    assert (patched.status, b"403 Forbidden" in patched.body) == (207, True)
    copied = own_taking.request("COPY", FILE, {"Destination": f"{own_taking.url}{FOLDER}/late.dat"})
    assert copied.status == 201
    assert content(own_taking, f"{FOLDER}/late.dat") == content(own_taking) == b"x"


@pytest.fixture
def small(built: BuiltArchive) -> Callable[[int], Serving]:
    """Give a function that starts a server with a quota."""

    def start(quota: int) -> Serving:
        fill(built)
        text = built.config.read_text().replace("[staging]\n", f"[staging]\nquota_per_user = {quota}\n")
        built.config.write_text(text.replace("[http]\n", "[http]\nthreads = 4\n"))
        return Serving(built, scopes=BOTH, threads=4)

    return start


def test_a_quota_is_kept_with_and_without_a_length(small: Callable[[int], Serving]) -> None:
    with small(1_000_000) as serving:
        assert serving.request("MKCOL", FOLDER).status == 201
        assert serving.request("PUT", FILE, body=BODY).status == 201
        refused = serving.raw(head(serving, "Content-Length: 2000000", path=FOLDER + "/b"))
        assert refused.startswith(b"HTTP/1.1 507 ")
        endless = b"%x\r\n%s\r\n" % (len(BODY), BODY) * 5
        refused = serving.raw(head(serving, "Transfer-Encoding: chunked", path=FOLDER + "/b") + endless + b"0\r\n\r\n")
        assert b" 507 " in refused[:20] or refused == b""  # what was not read may reset the connection
        assert content(serving, FOLDER + "/b") is None
        assert content(serving) == BODY
        assert left_over(serving) == []
        asked = b'<D:propfind xmlns:D="DAV:"><D:prop><D:quota-available-bytes/><D:quota-used-bytes/></D:prop></D:propfind>'
        told = serving.request("PROPFIND", FOLDER, {"Depth": "0"}, asked).text
        available, used = (
            int(told.partition(f"<D:quota-{which}-bytes>")[2].partition("<")[0]) for which in ("available", "used")
        )
        assert available == 1_000_000 - len(BODY)
        assert abs(used - len(BODY)) < 8192  # the size is told in blocks


def test_slow_senders_leave_threads_to_others(small: Callable[[int], Serving]) -> None:
    with small(10**9) as serving:
        assert serving.request("MKCOL", FOLDER).status == 201
        slow = [socket.create_connection(("127.0.0.1", serving.port), timeout=30) for _ in range(4)]
        try:
            for number, connection in enumerate(slow):
                connection.sendall(head(serving, "Content-Length: 100", path=f"{FOLDER}/{number}") + b"x")
            # Three of four threads may be taken by bodies; the fourth sender is told to come again.
            ready = [connection for connection in slow if answered(connection)]
            assert len(ready) == 1
            assert serving.request("PROPFIND", FOLDER, {"Depth": "1"}).status == 207
            for connection in set(slow) - set(ready):
                connection.sendall(b"x" * 99)
                assert connection.recv(100).startswith(b"HTTP/1.1 201 ")
        finally:
            for connection in slow:
                connection.close()


def answered(connection: socket.socket) -> bool:
    connection.settimeout(2)
    try:
        return connection.recv(100).startswith(b"HTTP/1.1 503 ")
    except TimeoutError:
        return False
    finally:
        connection.settimeout(30)


def test_of_two_that_write_one_file_one_wins_whole(taking: Serving) -> None:
    bodies = [bytes([number]) * 400_000 for number in range(6)]
    replies: list[Reply] = []
    threads = [threading.Thread(target=lambda b=body: replies.append(taking.request("PUT", FILE, body=b))) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {reply.status for reply in replies} <= {201, 204}
    assert content(taking) in bodies
    assert left_over(taking) == []


def test_a_server_that_stops_in_order_has_told_what_came(built: BuiltArchive) -> None:
    with Serving(fill(built), scopes=BOTH) as serving:
        assert serving.request("MKCOL", FOLDER).status == 201
        assert serving.request("PUT", FILE, body=BODY).status == 201
    info = review_of(built).info(1)
    assert (info.state, info.files, info.bytes) == ("open", 1, len(BODY))


@pytest.mark.parametrize("ends", ["grant", "token"])
def test_what_ends_while_a_body_comes_ends_the_upload(own_taking: Serving, ends: str) -> None:
    built = own_taking.built
    with socket.create_connection(("127.0.0.1", own_taking.port), timeout=30) as connection:
        connection.sendall(head(own_taking, "Content-Length: 900000") + BODY * 2)
        assert eventually(lambda: left_over(own_taking) != [])
        if ends == "grant":
            built.revoke("anna", STUDY)
        else:
            with built.database.write() as writing:
                writing.execute(tokens.delete())
        connection.sendall(BODY)
        assert connection.recv(100).startswith(b"HTTP/1.1 404 ")
    assert left_over(own_taking) == []


def test_a_server_that_is_killed_in_the_middle_leaves_what_was(built: BuiltArchive) -> None:
    with Serving(fill(built), scopes=BOTH) as first:
        assert first.request("MKCOL", FOLDER).status == 201
        assert first.request("PUT", FILE, body=b"before").status == 201
        with socket.create_connection(("127.0.0.1", first.port), timeout=30) as connection:
            connection.sendall(head(first, "Content-Length: 900000") + BODY * 2)
            assert eventually(lambda: sum(path.stat().st_size for path in left_over(first)) > 0)
            first.kill()
    with Serving(built, scopes=BOTH) as second:
        assert content(second) == b"before"
        listed = second.request("PROPFIND", FOLDER, {"Depth": "1"})
        assert listed.text.count("<D:response>") == 2
        assert seal_all(built) == [1]  # nothing is open any more
