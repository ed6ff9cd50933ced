"""Large files in pieces: the protocol by hand, and a real client that is killed in the middle."""

import base64
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog import clock
from catalog.gate.drops import partials as module
from catalog.gate.drops.partials import set_given_up_aside
from catalog.gate.staged.area import Staging
from tests.behaviour.dropping import fill, seal_all, staging_of
from tests.behaviour.suite import eventually
from tests.builders import BuiltArchive
from tests.catalog.disks import mounted_tmpfs
from tests.gateway.http.serving import Reply, Serving, basic, new_token
from tests.gateway.http.staging.conftest import BOTH, FOLDER
from tests.gateway.http.staging.test_put import content

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = TUS | {"Content-Type": "application/offset+octet-stream"}
BODY = random.Random(8).randbytes(700_000)
NAME = "Größe.dat"
FILE = f"{FOLDER}/Gr%C3%B6%C3%9Fe.dat"


def begin(serving: Serving, size: int = len(BODY), folder: str = FOLDER, **more: str) -> Reply:
    name = base64.b64encode(NAME.encode()).decode()
    mtime = base64.b64encode(b"1234567890").decode()
    sent = TUS | {"Upload-Length": str(size), "Upload-Metadata": f"filename {name},mtime {mtime}"} | more
    return serving.request("POST", folder, sent)


def address(reply: Reply) -> str:
    assert reply.status == 201
    return "/" + (reply.headers["Location"] or "").split("/", 3)[3]


def add(serving: Serving, path: str, offset: int, data: bytes, **more: str) -> Reply:
    return serving.request("PATCH", path, PIECE | {"Upload-Offset": str(offset)} | more, data)


def offset(serving: Serving, path: str) -> int:
    reply = serving.request("HEAD", path, TUS)
    assert (reply.status, reply.headers["Upload-Length"]) == (200, str(len(BODY)))
    return int(reply.headers["Upload-Offset"] or "")


def test_the_server_says_that_it_can(taking: Serving) -> None:
    for path in (FOLDER, "/staging/_uploads/x"):
        told = taking.request("OPTIONS", path).headers
        assert (told["Tus-Version"], told["Tus-Extension"]) == ("1.0.0", "creation,termination,expiration,checksum")


def test_pieces_become_a_file_with_the_last_one(taking: Serving) -> None:
    path = address(begin(taking))
    assert offset(taking, path) == 0
    for at, end in ((0, 1), (1, 400_000), (400_000, len(BODY))):
        assert content(taking, FILE) is None
        added = add(taking, path, at, BODY[at:end])
        assert (added.status, added.headers["Upload-Offset"]) == (204, str(end))
    assert content(taking, FILE) == BODY
    assert taking.request("HEAD", FILE).headers["Last-Modified"] == "Fri, 13 Feb 2009 23:31:30 GMT"
    # Who did not hear of it may ask once more.
    assert offset(taking, path) == len(BODY)
    assert add(taking, path, len(BODY), b"x").status == 409
    assert taking.request("PROPFIND", "/staging", {"Depth": "1"}).text.count("<D:response>") == 3


def test_an_empty_file_needs_no_piece(taking: Serving) -> None:
    assert begin(taking, 0).status == 201
    assert content(taking, FILE) == b""


def test_what_came_of_a_piece_that_broke_off_is_kept(taking: Serving) -> None:
    path = address(begin(taking))
    lines = [f"PATCH {path} HTTP/1.1", "Host: x", f"Authorization: {taking.authorization}", "Upload-Offset: 0",
             "Content-Length: 700000", *(f"{name}: {value}" for name, value in PIECE.items()), "", ""]  # fmt: skip
    assert taking.raw("\r\n".join(lines).encode() + BODY[:600_000]).startswith(b"HTTP/1.1 400 ")
    came = offset(taking, path)
    assert 0 < came <= 600_000
    assert add(taking, path, came, BODY[came:]).status == 204
    assert content(taking, FILE) == BODY


def test_a_piece_with_a_digest_is_right_or_does_not_count(taking: Serving) -> None:
    path = address(begin(taking))
    right = "sha1 " + base64.b64encode(hashlib.sha1(BODY[:1000], usedforsecurity=False).digest()).decode()
    assert add(taking, path, 0, BODY[1:1001], **{"Upload-Checksum": right}).status == 460
    assert offset(taking, path) == 0
    assert add(taking, path, 0, BODY[:1000], **{"Upload-Checksum": right}).status == 204
    for broken in ("crc32 AAAA", "sha1 ???", "sha1"):
        assert add(taking, path, 1000, BODY[1000:], **{"Upload-Checksum": broken}).status == 400
    assert offset(taking, path) == 1000


def test_what_does_not_fit_is_refused(taking: Serving) -> None:
    path = address(begin(taking))
    assert add(taking, path, 5, BODY).status == 409
    assert add(taking, path, 0, BODY + b"x").status == 409
    assert add(taking, path, offset(taking, path), b"x", **{"Content-Type": "text/plain"}).status == 415
    assert add(taking, path, -1, b"x").status == 400
    assert taking.request("PATCH", path, {"Upload-Offset": "0"}, b"x").status == 412
    assert taking.request("GET", path, TUS).status == 405
    assert begin(taking, folder=FOLDER + "/nothing").status == 409
    assert begin(taking, folder="/staging/SECRET/E001").status == 404
    assert begin(taking, **{"Upload-Length": "many"}).status == 400
    assert begin(taking, **{"Upload-Metadata": "filename ???"}).status == 400
    assert begin(taking, **{"Upload-Metadata": "other QQ=="}).status == 400
    escaping = base64.b64encode(b"../../E002/x").decode()
    assert begin(taking, **{"Upload-Metadata": f"filename {escaping}"}).status in {400, 403, 404, 409}
    for unknown in ("/staging/_uploads/" + "0" * 32, "/staging/_uploads/..%2f1", "/staging/_uploads"):
        assert taking.request("HEAD", unknown, TUS).status == 404


def test_it_is_its_senders_alone_and_can_be_given_up(taking: Serving) -> None:
    path = address(begin(taking))
    ben = {"Authorization": basic("ben", new_token(taking.built, "ben", *BOTH))}
    for method in ("HEAD", "PATCH", "DELETE"):
        assert taking.request(method, path, PIECE | ben | {"Upload-Offset": "0"}).status == 404
    assert taking.request("DELETE", path, TUS).status == 204
    assert taking.request("HEAD", path, TUS).status == 404
    assert content(taking, FILE) is None


def test_a_locked_name_waits_for_its_lock(taking: Serving) -> None:
    path = address(begin(taking))
    lock = (
        b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>'
    )
    locked = taking.request("LOCK", FILE, {}, lock)
    assert locked.status == 201
    assert begin(taking).status == 423
    assert add(taking, path, 0, BODY).status == 423
    assert content(taking, FILE) == b""
    assert taking.request("HEAD", path, TUS).status == 423
    assert taking.request("UNLOCK", FILE, {"Lock-Token": locked.headers["Lock-Token"] or ""}).status == 204
    # All of it had come: who asks finds it done.
    assert offset(taking, path) == len(BODY)
    assert content(taking, FILE) == BODY


def test_what_comes_after_sealing_begins_a_batch_that_follows(own_taking: Serving) -> None:
    path = address(begin(own_taking))
    assert add(own_taking, path, 0, BODY[:10]).status == 204
    assert own_taking.request("PUT", FOLDER + "/first", body=b"x").status == 201
    assert seal_all(own_taking.built) == [1]
    assert add(own_taking, path, 10, BODY[10:]).status == 204
    assert content(own_taking, FILE) == BODY


def test_the_room_for_it_is_set_aside(built: BuiltArchive) -> None:
    fill(built)
    built.config.write_text(built.config.read_text().replace("[staging]\n", "[staging]\nquota_per_user = 1000000\n"))
    with Serving(built, scopes=BOTH) as serving:
        assert serving.request("MKCOL", FOLDER).status == 201
        path = address(begin(serving))
        assert begin(serving).status == 507
        assert serving.request("DELETE", path, TUS).status == 204
        assert begin(serving).status == 201


def test_what_nobody_adds_to_is_erased(own_taking: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    staging = staging_of(own_taking.built)
    begun, placed = address(begin(own_taking)), address(begin(own_taking, 0))
    now = clock.now()

    def after(seconds: int) -> list[int]:
        monkeypatch.setattr(clock, "now", lambda: now + seconds)
        set_given_up_aside(staging)
        return [own_taking.request("HEAD", path, TUS).status for path in (begun, placed)]

    assert after(module.PLACED_SECONDS - 60) == [200, 200]
    assert after(module.PLACED_SECONDS + 60) == [200, 404]
    assert after(module.KEPT_SECONDS + 60) == [404, 404]
    assert list(staging.partials.glob("*/*")) == []


def test_a_clock_that_is_set_back_gives_nothing_up(own_taking: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    path = address(begin(own_taking))
    assert add(own_taking, path, 0, BODY[:1000]).status == 204
    now = clock.now()
    for days in (1, 400):
        monkeypatch.setattr(clock, "now", lambda back=days: now - back * 86_400)
        set_given_up_aside(staging_of(own_taking.built))
        assert offset(own_taking, path) == 1000
    assert add(own_taking, path, 1000, BODY[1000:]).status == 204
    assert content(own_taking, FILE) == BODY


def test_a_server_that_is_killed_in_the_middle_of_a_piece_keeps_what_it_told(built: BuiltArchive) -> None:
    with Serving(fill(built), scopes=BOTH) as first:
        assert first.request("MKCOL", FOLDER).status == 201
        path = address(begin(first))
        assert add(first, path, 0, BODY[:100_000]).status == 204
        with socket.create_connection(("127.0.0.1", first.port), timeout=30) as connection:
            head = "".join(f"{name}: {value}\r\n" for name, value in (PIECE | {"Upload-Offset": "100000"}).items())
            request = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {first.authorization}\r\n{head}"
            connection.sendall(f"{request}Content-Length: {len(BODY) - 100_000}\r\n\r\n".encode() + BODY[100_000:600_000])
            (data,) = staging_of(built).partials.glob("*/*/data")
            assert eventually(lambda: data.stat().st_size > 100_000)
            first.kill()
    with Serving(built, scopes=BOTH) as second:
        assert content(second, FILE) is None
        came = offset(second, path)
        assert 100_000 < came <= 600_000
        assert add(second, path, came, BODY[came:]).status == 204
        assert content(second, FILE) == BODY


def test_a_full_disk_keeps_what_came_and_tells_how_much(built: BuiltArchive, tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "small", "size=4m") as disk:
        built.config.write_text(built.config.read_text().replace(f"{built.folder}/var/staging", f"{disk}/staging"))
        fill(built)
        Staging(disk / "staging").prepare()
        (disk / "filling").write_bytes(bytes(3_600_000))
        with Serving(built, scopes=BOTH) as serving:
            assert serving.request("MKCOL", FOLDER).status == 201
            path = address(begin(serving))
            full = add(serving, path, 0, BODY)
            assert (full.status, "full" in full.text) == (507, True)
            came = offset(serving, path)
            assert 0 < came < len(BODY)
            (disk / "filling").unlink()
            assert add(serving, path, came, BODY[came:]).status == 204
            assert content(serving, FILE) == BODY


CLIENT = """
import sys
from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage
url, authorization, file, storage = sys.argv[1:]
client = TusClient(url, headers={"Authorization": authorization})
uploader = client.uploader(file, chunk_size=100_000, store_url=True, url_storage=FileStorage(storage),
                           metadata={"filename": "from-tuspy.dat"}, upload_checksum=True)
print("begins at", uploader.offset, flush=True)
uploader.upload()
"""


@pytest.fixture
def tuspy(tmp_path: Path) -> Callable[[Serving], subprocess.Popen[str]]:
    """Give a function that starts tuspy, the Python client of tus, on a file of 40 MB; it remembers addresses."""
    file = tmp_path / "big.dat"
    file.write_bytes(BODY * 60)

    def start(serving: Serving) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT, serving.url + FOLDER, serving.authorization, str(file), str(tmp_path / "urls")],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    return start


def test_a_client_that_is_killed_goes_on_where_it_was(
    own_taking: Serving, tuspy: Callable[[Serving], subprocess.Popen[str]]
) -> None:
    def came() -> int:
        found = list(staging_of(own_taking.built).partials.glob("*/*/data"))
        return sum(path.stat().st_size for path in found)

    first = tuspy(own_taking)
    assert first.stdout is not None
    assert first.stdout.readline() == "begins at 0\n"
    waited = threading.Event()
    while came() < 1_000_000:
        assert first.poll() is None
        waited.wait(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.wait(30)
    first.stdout.close()
    assert content(own_taking, FOLDER + "/from-tuspy.dat") is None
    second = tuspy(own_taking)
    told, _ = second.communicate(timeout=120)
    assert second.returncode == 0, told
    assert int(told.split()[-1]) >= 1_000_000
    assert content(own_taking, FOLDER + "/from-tuspy.dat") == BODY * 60
    assert eventually(lambda: came() == 0)
