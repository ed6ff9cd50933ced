"""What is read through the API: the same as through every other door, page by page, and nothing that is not granted."""

import hashlib
import io
import socket
import zipfile
from base64 import b64decode
from contextlib import suppress
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from catalog.administration import Actor, Scope, create_token, list_tokens, remove_grant, revoke_token
from catalog.audit import Wanted, list_reads
from tests.behaviour.suite import BIG, BIG_FOLDER, BIG_FOLDER_FILES, ODD, RESULT, SERIES, SLICES, STUDY
from tests.builders import BuiltArchive
from tests.gateway.api.door import Door
from tests.gateway.http.serving import Serving

E1 = f"/studies/{STUDY}/exams/E001"


def pages(door: Door, path: str) -> list[list[dict[str, object]]]:
    """Follow the links from page to page."""
    found, where = [], path
    while True:
        reply = door.get(where)
        assert reply.status_code == 200, reply.text
        found.append(reply.json)
        link = reply.headers.get("Link")
        if link is None:
            return found
        assert link.endswith('; rel="next"')
        where = path.partition("?")[0] + link[1:].partition(">")[0]


def test_studies_are_those_that_are_granted(door: Door) -> None:
    assert [each["code"] for each in door.get("/studies").json] == [STUDY, "2010-A.7"]
    assert door.get(f"/studies/{STUDY}").json["exams"] == 2
    assert [each["code"] for each in door.get("/studies", "ben").json] == [STUDY]


def test_exams_series_and_files(door: Door) -> None:
    assert [each["name"] for each in door.get(f"/studies/{STUDY}/exams").json] == ["E001", "E002"]
    (series,) = [each for each in door.get(f"{E1}/series").json if each["path"] == SERIES]
    assert (series["number"], series["file_type"], series["files"]) == (3, "DCM_MR", 20)
    assert door.get(f"{E1}/series/{series['series']}").json == series
    files = door.get(f"{E1}/series/{series['series']}/files").json
    assert {each["name"]: each["size"] for each in files} == {name: len(content) for name, content in SLICES.items()}
    assert files[0]["sha256"] == hashlib.sha256(SLICES["00001.dcm"]).hexdigest()
    assert [each["series"] for each in door.get(f"{E1}/results").json] == ["003_RESULT_segmentation", "005_RESULT_" + "x" * 244]


def test_every_place_of_the_tree_lists_and_stats(door: Door) -> None:
    assert [each["name"] for each in door.get("/tree").json] == [STUDY, "2010-A.7"]
    for each in door.get(f"/tree/{quote(ODD)}").json:
        assert door.get(f"/stat/{quote(each['path'])}").json == each
    assert {each["kind"] for each in door.get(f"/tree/{RESULT}").json} == {"file", "folder"}


@pytest.mark.parametrize(
    ("path", "key", "most"),
    [
        (f"/tree/{BIG_FOLDER}", "name", BIG_FOLDER_FILES),
        (f"{E1}/series/003_DCM_MR_t1_mprage/files", "name", 20),
        ("/studies", "code", 2),
        (f"{E1}/series", "series", 4),
        ("/query/files?q=" + quote('file_type = "RESULT"'), "path", 1506),
        ("/query?q=" + quote("has size"), "path", 5),
    ],
)
def test_pages_hold_each_thing_once(door: Door, path: str, key: str, most: int) -> None:
    limit = 1 if most < 100 else 700
    split = pages(door, path + ("&" if "?" in path else "?") + f"limit={limit}")
    whole = [each for page in split for each in page]
    assert len(whole) == len({each[key] for each in whole}) == most
    assert all(len(page) <= limit for page in split)
    assert whole == door.get(path + ("&" if "?" in path else "?") + "limit=10000").json


def test_bytes_come_with_their_digest_and_by_range(door: Door) -> None:
    path = f"/files/{quote(ODD)}/00001.dcm"
    whole = door.get(path)
    assert whole.data == BIG
    digest = hashlib.sha256(BIG)
    assert whole.headers["ETag"] == f'"{digest.hexdigest()}"'
    assert b64decode(whole.headers["Repr-Digest"].removeprefix("sha-256=:").removesuffix(":")) == digest.digest()
    part = door.get(path, headers={"Range": "bytes=2999999-", "If-Range": whole.headers["ETag"]})
    assert (part.status_code, part.data) == (206, BIG[2_999_999:])
    assert part.headers["Content-Range"] == "bytes 2999999-3000000/3000001"
    assert door.get(path, headers={"Range": "bytes=3000001-"}).status_code == 416
    assert door.get(path, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    head = door.send("HEAD", path)
    assert (head.data, head.headers["Content-Length"]) == (b"", str(len(BIG)))


def test_a_zip_holds_all_files_and_says_its_size_first(door: Door) -> None:
    reply = door.get(f"/zip/{STUDY}/E001")
    assert int(reply.headers["Content-Length"]) == len(reply.data)
    with zipfile.ZipFile(io.BytesIO(reply.data)) as found:
        assert found.testzip() is None
        assert len(found.namelist()) == 20 + 3 + 1 + 1505
        assert found.read("E001/003_DCM_MR_t1_mprage/00007.dcm") == SLICES["00007.dcm"]
        assert found.read("E001/003_RESULT_segmentation/parts/0001x/Left/areas.csv") == b"deep"
    head = door.send("HEAD", f"/zip/{STUDY}/E001")
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(reply.data)))
    assert door.get(f"/zip/{STUDY}/E001", headers={"If-None-Match": reply.headers["ETag"]}).status_code == 304


def test_a_zip_of_what_answers_a_question(door: Door) -> None:
    reply = door.get("/zip?q=" + quote('file_type = "DCM_MR" and size <= 200 and size > 0'))
    with zipfile.ZipFile(io.BytesIO(reply.data)) as found:
        assert sorted(found.namelist()) == sorted([f"{ODD}/Upper Case.TXT", f"{SERIES}/00001.dcm", f"{SERIES}/00002.dcm"])
    assert door.get("/zip?q=" + quote('study = "nothing"')).status_code == 404


def test_what_is_not_granted_is_answered_as_what_is_not_there(door: Door) -> None:
    for form in (
        "/studies/{}", "/studies/{}/exams", "/studies/{}/exams/E001", "/studies/{}/exams/E001/series",
        "/studies/{}/exams/E001/series/001_DCM_MR_x", "/studies/{}/exams/E001/series/001_DCM_MR_x/files",
        "/studies/{}/exams/E001/results", "/tree/{}", "/tree/{}/E001", "/stat/{}/E001", "/metadata/{}/E001/001_DCM_MR_x",
        "/files/{}/E001/001_DCM_MR_x/00001.dcm", "/files/{}", "/zip/{}", "/stats?study={}", "/zip?q=study+%3D+%22{}%22",
    ):  # fmt: skip
        hidden, absent = door.get(form.format("SECRET")), door.get(form.format("NOTHING"))
        assert hidden.status_code == 404, form
        assert (hidden.data, list(hidden.headers)) == (absent.data, list(absent.headers)), form
    assert door.get("/query?q=" + quote('study = "SECRET"')).json == []
    assert [each["study"] for each in door.get("/stats").json] == [STUDY, "2010-A.7"]


def test_json_answers_have_tags_and_are_compressed_where_that_is_liked(door: Door) -> None:
    whole = door.get("/studies")
    assert door.get("/studies", headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert door.get("/studies", headers={"If-None-Match": '"another"'}).data == whole.data
    assert "Content-Encoding" not in whole.headers
    squeezed = door.get(f"/tree/{BIG_FOLDER}", headers={"Accept-Encoding": "gzip"})
    assert squeezed.headers["Content-Encoding"] == "gzip"
    assert len(squeezed.data) < 100_000 < len(door.get(f"/tree/{BIG_FOLDER}").data)


def test_what_is_read_is_audited(own_door: Door) -> None:
    own_door.get("/files/S1/E1/001_DCM_MR_t1/00001.dcm", "lea", headers={"User-Agent": "archimed-client/1.0"})
    assert own_door.get("/zip/S1", "lea", headers={"User-Agent": "curl/8"}).data
    own_door.keeper.flush()
    told = {each.program: each for each in list_reads(own_door.built.database, Wanted())}
    assert {each.face for each in told.values()} == {"api"}
    assert (told["archimed-client"].files, told["archimed-client"].bytes) == (1, 3)
    assert (told["curl"].files, told["curl"].bytes) == (2, 7)


def test_a_grant_that_ends_in_the_middle_of_a_zip_ends_the_zip(own_door: Door) -> None:
    reply = own_door.client.open(
        "/api/v1/zip/S1", headers={"Authorization": own_door.authorization("lea"), "Host": "x"}, buffered=False
    )
    pieces = reply.iter_encoded()
    first = next(pieces)
    remove_grant(own_door.built.database, Actor("root"), "lea", "S1")
    with pytest.raises(ConnectionResetError):
        for _ in pieces:
            pass
    assert first
    assert own_door.get("/zip/S1", "lea").status_code == 404


def test_a_token_alone_says_whose_it_is(own_door: Door) -> None:
    def ask(header: str) -> TestResponse:
        return own_door.client.get("/api/v1/", headers={"Authorization": header, "Host": "x"})

    token = create_token(own_door.built.database, Actor("root"), "lea", [Scope.READ], None)
    assert ask(f"Bearer {token}").json["login"] == "lea"
    for wrong in (f"Bearer {token}x", "Bearer ", "Bearer amt_", "Bearer é", "Bearer secret", f"Token {token}"):
        assert ask(wrong).status_code == 401
    revoke_token(own_door.built.database, Actor("root"), list_tokens(own_door.built.database)[-1].id)
    assert ask(f"Bearer {token}").status_code == 401


def test_a_zip_on_its_way_is_cut_off_when_its_reader_loses_the_study(built: BuiltArchive) -> None:
    built.user("anna")
    built.study("S1")
    built.grant("anna", "S1")
    whole = 4 * (6 << 20)
    built.add_series("S1/E1/001_MR_RAW", {f"{number}.bin": bytes([number]) * (whole // 4) for number in range(4)})
    with Serving(built) as serving, socket.create_connection(("127.0.0.1", serving.port), timeout=30) as reader:
        reader.sendall(f"GET /api/v1/zip/S1 HTTP/1.1\r\nHost: x\r\nAuthorization: {serving.authorization}\r\n\r\n".encode())
        got = len(reader.recv(1024))
        remove_grant(built.database, Actor("root"), "anna", "S1")
        with suppress(ConnectionResetError):
            while piece := reader.recv(1 << 20):
                got += len(piece)
        assert got < whole
        assert serving.request("GET", "/api/v1/studies").body == b"[]\n"
