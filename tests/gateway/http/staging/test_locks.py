"""Locks and properties between clients, workers and servers; what folders do; beyond what litmus asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.gate.staged.area import Staging
from tests.behaviour.dropping import EXAM, STUDY, fill, seal_all
from tests.builders import BuiltArchive
from tests.catalog.disks import mounted_tmpfs
from tests.gateway.http.serving import Serving, basic, new_token
from tests.gateway.http.staging.conftest import BOTH, FOLDER
from tests.gateway.http.staging.test_put import LOCKINFO, content

FILE = f"{FOLDER}/a.dat"
DISCOVERY = b'<D:propfind xmlns:D="DAV:"><D:prop><D:lockdiscovery/><D:supportedlock/></D:prop></D:propfind>'


@pytest.fixture
def other(own_taking: Serving) -> Iterator[Serving]:
    """Give a second server on the same catalogue and staging folder, as another gateway is."""
    with Serving(own_taking.built, scopes=BOTH) as second:
        yield second


def lock(serving: Serving, path: str = FILE, **headers: str) -> str:
    reply = serving.request("LOCK", path, headers, LOCKINFO)
    assert reply.status in {200, 201}, reply.text
    return (reply.headers["Lock-Token"] or "").strip("<>")


def test_another_server_sees_a_lock(own_taking: Serving, other: Serving) -> None:
    token = lock(own_taking)
    assert other.request("PUT", FILE, body=b"x").status == 423
    assert other.request("LOCK", FILE, {}, LOCKINFO).status == 423
    told = other.request("PROPFIND", FILE, {"Depth": "0"}, DISCOVERY).text
    assert token in told
    assert f"<D:lockroot><D:href>{FILE}</D:href></D:lockroot>" in told
    assert other.request("PUT", FILE, {"If": f"(<{token}>)"}, b"x").status == 204
    assert other.request("UNLOCK", FILE, {"Lock-Token": f"<{token}>"}).status == 204
    assert own_taking.request("PUT", FILE, body=b"y").status == 204


def test_a_lock_on_a_folder_reaches_down(taking: Serving) -> None:
    folder = f"{FOLDER}/sub"
    assert taking.request("MKCOL", folder).status == 201
    assert taking.request("PUT", folder + "/in", body=b"1").status == 201
    token = lock(taking, folder, Depth="infinity")
    for method, path, more in (
        ("PUT", "/in", {}), ("PUT", "/new", {}), ("DELETE", "/in", {}), ("MKCOL", "/deeper", {}), ("DELETE", "", {}),
        ("MOVE", "/in", {"Destination": FOLDER + "/out"}), ("PROPPATCH", "/in", {}),
    ):  # fmt: skip
        body = b'<D:propertyupdate xmlns:D="DAV:"><D:remove><D:prop><x/></D:prop></D:remove></D:propertyupdate>'
        sent = body if method in {"PUT", "PROPPATCH"} else None
        assert taking.request(method, folder + path, more, sent).status == 423, (method, path)
    assert token in taking.request("PROPFIND", folder + "/in", {"Depth": "0"}, DISCOVERY).text
    shown = {"If": f"<{taking.url}{folder}> (<{token}>)"}
    assert taking.request("PUT", folder + "/new", shown, b"2").status == 201
    assert taking.request("DELETE", folder, shown).status == 204
    assert taking.request("MKCOL", folder).status == 201, "its lock went with it"


def test_a_lock_ends_with_the_grant(own_taking: Serving) -> None:
    token = lock(own_taking)
    own_taking.built.revoke("anna", STUDY)
    assert own_taking.request("PUT", FILE, {"If": f"(<{token}>)"}, b"x").status == 404
    assert own_taking.request("LOCK", FILE, {}, LOCKINFO).status == 404
    own_taking.built.grant("anna", STUDY)
    assert own_taking.request("PUT", FILE, body=b"x").status == 204


def test_bodies_that_are_no_locks(taking: Serving) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>'
    for body in (b"<", b"<a/>", bomb, LOCKINFO.replace(b"write", b"read"), LOCKINFO + b" " * 70_000):
        assert taking.request("LOCK", FILE, {}, body).status == 400
        assert taking.request("PROPPATCH", FOLDER, {}, body).status == 400
    assert taking.request("LOCK", FILE, {"Depth": "1"}, LOCKINFO).status == 400
    assert taking.request("LOCK", FILE, {"If": "(<opaquelocktoken:x>)"}).status == 412
    assert taking.request("LOCK", FILE).status == 400
    assert taking.request("UNLOCK", FOLDER).status == 400
    assert taking.request("UNLOCK", FOLDER, {"Lock-Token": "<opaquelocktoken:x>"}).status == 409
    assert content(taking, FILE) is None


def patch(serving: Serving, path: str, inner: str) -> str:
    reply = serving.request(
        "PROPPATCH", path, {}, f'<D:propertyupdate xmlns:D="DAV:" xmlns:x="urn:x">{inner}</D:propertyupdate>'.encode()
    )
    assert reply.status == 207, reply.text
    return reply.text


def prop(serving: Serving, path: str, name: str) -> str:
    body = f'<D:propfind xmlns:D="DAV:" xmlns:x="urn:x"><D:prop><x:{name}/></D:prop></D:propfind>'
    return serving.request("PROPFIND", path, {"Depth": "0"}, body.encode()).text


def test_properties_go_along_and_are_bounded(taking: Serving) -> None:
    assert taking.request("PUT", FILE, body=b"1").status == 201
    assert "200 OK" in patch(taking, FILE, "<D:set><D:prop><x:a>eins<b/></x:a><x:b>zwei</x:b></D:prop></D:set>")
    assert "eins" in prop(taking, FILE, "a")
    for method, path in (("COPY", FOLDER + "/copy"), ("MOVE", FOLDER + "/moved")):
        assert taking.request(method, FILE, {"Destination": taking.url + path}).status == 201
        assert "eins" in prop(taking, path, "a")
        assert "zwei" in prop(taking, path, "b")
    moved = FOLDER + "/moved"
    told = patch(taking, moved, f"<D:set><D:prop><x:a>{'x' * 5000}</x:a></D:prop></D:set>")
    assert "507" in told
    assert "eins" in prop(taking, moved, "a")
    told = patch(taking, moved, "<D:remove><D:prop><x:a/></D:prop></D:remove><D:set><D:prop><D:getetag>1</D:getetag></D:prop></D:set>")  # fmt: skip # noqa: E501
    assert "424 Failed Dependency" in told
    assert "403 Forbidden" in told
    assert "eins" in prop(taking, moved, "a")
    assert "200 OK" in patch(taking, moved, "<D:remove><D:prop><x:a/></D:prop></D:remove>")
    assert "404 Not Found" in prop(taking, moved, "a")
    assert "zwei" in prop(taking, moved, "b")
    # rclone sets times so.
    assert "200 OK" in patch(taking, moved, "<D:set><D:prop><D:lastmodified>1234567890</D:lastmodified></D:prop></D:set>")
    assert taking.request("HEAD", moved).headers["Last-Modified"] == "Fri, 13 Feb 2009 23:31:30 GMT"


def test_folders_are_copied_moved_and_replaced_whole(taking: Serving) -> None:
    for path in ("/one", "/one/two", "/there"):
        assert taking.request("MKCOL", FOLDER + path).status == 201
    for path in ("/one/a", "/one/two/b", "/there/old"):
        assert taking.request("PUT", FOLDER + path, body=path.encode()).status == 201
    one, there = FOLDER + "/one", {"Destination": taking.url + FOLDER + "/there"}
    assert taking.request("COPY", one, there | {"Overwrite": "F"}).status == 412
    assert taking.request("COPY", one, there).status == 204
    assert content(taking, FOLDER + "/there/two/b") == b"/one/two/b"
    assert content(taking, FOLDER + "/there/old") is None
    shallow = {"Destination": taking.url + FOLDER + "/empty", "Depth": "0"}
    assert taking.request("COPY", one, shallow).status == 201
    assert taking.request("PROPFIND", FOLDER + "/empty", {"Depth": "1"}).text.count("<D:response>") == 1
    for target, status in ((one, 403), (one + "/two/three", 403), ("http://elsewhere/staging/x", 502), ("/archive/x", 403),
                           ("/staging/SECRET/E001/x", 404), (FOLDER + "/no/x", 409)):  # fmt: skip
        assert taking.request("MOVE", one, {"Destination": target}).status == status, target
    assert taking.request("MOVE", one).status == 400
    # From one batch to another it is copied, then removed.
    assert taking.request("MKCOL", f"/staging/{STUDY}/E002").status in {201, 405}
    target = f"/staging/{STUDY}/E002/one"
    assert taking.request("MOVE", one, {"Destination": taking.url + target}).status in {201, 204}
    assert content(taking, target + "/two/b") == b"/one/two/b"
    assert content(taking, one + "/a") is None


def test_of_a_folder_what_is_sealed_stays_and_is_named(own_taking: Serving) -> None:
    for path in ("/sub", "/sub/a"):
        method = "MKCOL" if path == "/sub" else "PUT"
        assert own_taking.request(method, FOLDER + path, body=None if method == "MKCOL" else b"1").status == 201
    seal_all(own_taking.built)
    assert own_taking.request("PUT", FOLDER + "/sub/late", body=b"2").status == 201
    removed = own_taking.request("DELETE", FOLDER + "/sub")
    assert removed.status == 207
    assert removed.text.count("<D:response>") == 1
    assert f"<D:href>{FOLDER}/sub/a</D:href><D:status>HTTP/1.1 403 FORBIDDEN</D:status>" in removed.text
    assert "sealed" in removed.text
    assert content(own_taking, FOLDER + "/sub/a") == b"1"
    assert content(own_taking, FOLDER + "/sub/late") is None


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "PROPFIND", "PUT", "MKCOL", "DELETE", "LOCK", "PROPPATCH", "POST"])
def test_who_may_not_import_sees_nothing(taking: Serving, method: str) -> None:
    lea = {"Authorization": basic("lea", new_token(taking.built, "lea", *BOTH)), "Depth": "0", "Tus-Resumable": "1.0.0",
           "Upload-Length": "1", "Upload-Metadata": "filename YQ=="}  # fmt: skip
    for path in (FILE, FOLDER, f"/staging/{STUDY}", "/staging/SECRET/E001/x", "/staging/NOSUCH/E001/x"):
        body = {"PUT": b"1", "LOCK": LOCKINFO, "PROPPATCH": LOCKINFO}.get(method)
        status = taking.request(method, path, lea, body).status
        assert status in ({404, 405} if method != "PROPPATCH" else {400, 404}), (path, status)


def test_a_folder_shows_as_a_page(taking: Serving) -> None:
    assert taking.request("PUT", FOLDER + "/%3Cscript%3E", body=b"1").status == 201
    page = taking.request("GET", FOLDER)
    assert (page.status, "&lt;script&gt;" in page.text, "<script>" in page.text) == (200, True, False)
    assert taking.request("GET", "/staging/").status == 200


def test_the_log_names_no_file(own_taking: Serving) -> None:
    for method, path in (
        ("PUT", FILE),
        ("PUT", f"{FOLDER}/no/Muster"),
        ("MKCOL", f"{FOLDER}/Hans"),
        ("GET", f"{FOLDER}/Muster"),
    ):
        own_taking.request(method, path, body=b"x" if method == "PUT" else None)
    log = own_taking.log.read_text()
    assert "PUT (staging) 201" in log
    assert not any(name in log for name in ("Muster", "Hans", "a.dat", EXAM))


def test_a_full_disk_hurts_nothing_that_is_there(built: BuiltArchive, tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "small", "size=8m") as disk:
        built.config.write_text(built.config.read_text().replace(f"{built.folder}/var/staging", f"{disk}/staging"))
        fill(built)
        Staging(disk / "staging").prepare()
        with Serving(built, scopes=BOTH) as serving:
            assert serving.request("MKCOL", FOLDER).status == 201
            assert serving.request("PUT", FILE, body=b"before").status == 201
            for path in (FILE, FOLDER + "/new"):
                full = serving.request("PUT", path, body=bytes(9_000_000))
                assert (full.status, "full" in full.text) == (507, True)
            assert content(serving, FILE) == b"before"
            assert content(serving, FOLDER + "/new") is None
            assert serving.request("PUT", FOLDER + "/new", body=bytes(1_000_000)).status == 201
