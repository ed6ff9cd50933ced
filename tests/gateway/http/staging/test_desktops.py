"""Windows Explorer and macOS Finder copying in: the requests they send, in their order, replayed."""

from xml.etree.ElementTree import fromstring

import pytest

from tests.behaviour.dropping import STUDY
from tests.gateway.http.serving import Reply, Serving, basic
from tests.gateway.http.staging.conftest import FOLDER
from tests.gateway.http.staging.test_put import content
from tests.gateway.http.test_desktops import FINDER, LOCK, MINIREDIR, WIN32_TIMES

NEW = f"{FOLDER}/Bericht%20%C3%BC.doc"
BODY = b"what the doctor wrote" * 1000
MODIFIED = (
    b'<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set>'
    b"<D:prop><Z:Win32CreationTime>Tue, 14 Nov 2023 22:13:20 GMT</Z:Win32CreationTime><Z:Win32LastAccessTime>Tue, 14 Nov 2023 "
    b"22:13:20 GMT</Z:Win32LastAccessTime><Z:Win32LastModifiedTime>Fri, 13 Feb 2009 23:31:30 GMT</Z:Win32LastModifiedTime>"
    b"<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>"
)


@pytest.fixture
def windows(taking: Serving) -> dict[str, str]:
    return MINIREDIR | {"Authorization": basic("CLINIC\\ANNA", taking.token)}


def token_of(reply: Reply) -> str:
    token = reply.headers["Lock-Token"]
    assert token is not None
    assert fromstring(reply.body).findtext(".//{DAV:}locktoken/{DAV:}href") == token.strip("<>")
    return token


@pytest.mark.parametrize("brackets", [True, False])
def test_explorer_copies_a_file_in(taking: Serving, windows: dict[str, str], brackets: bool) -> None:
    listing = windows | {"Depth": "0", "Content-Length": "0"}
    assert taking.request("PROPFIND", FOLDER, listing).status == 207
    assert taking.request("PROPFIND", NEW, listing).status == 404
    assert taking.request("PUT", NEW, windows | {"Content-Length": "0"}, b"").status == 201
    # No Depth.
    locked = taking.request("LOCK", NEW, windows | {"Timeout": "Second-3600", "Content-Type": "text/xml"}, LOCK)
    assert locked.status == 200
    assert b"CLINIC\\anna" in locked.body
    token = token_of(locked)
    shown = windows | {"If": f"({token})"}
    first = taking.request("PROPPATCH", NEW, shown, WIN32_TIMES)
    assert (first.status, b"HTTP/1.1 200 OK" in first.body, b"403" in first.body) == (207, True, False)
    head = taking.request("HEAD", NEW, windows)
    assert (head.status, head.headers["Content-Length"]) == (200, "0")
    assert taking.request("PUT", NEW, windows, BODY).status == 423, "who does not show the token may not write"
    assert taking.request("PUT", NEW, shown, BODY).status == 204
    second = taking.request("PROPPATCH", NEW, shown, MODIFIED)
    assert (second.status, b"HTTP/1.1 200 OK" in second.body, b"403" in second.body) == (207, True, False)
    bare = token if brackets else token.strip("<>")
    assert taking.request("UNLOCK", NEW, windows | {"Lock-Token": bare}).status == 204
    assert taking.request("HEAD", NEW, windows).headers["Last-Modified"] == "Fri, 13 Feb 2009 23:31:30 GMT"
    assert content(taking, NEW) == BODY


def test_explorer_makes_renames_and_removes_folders(taking: Serving, windows: dict[str, str]) -> None:
    made, named = f"{FOLDER}/New%20folder", f"{FOLDER}/Scans"
    assert taking.request("MKCOL", made, windows).status == 201
    assert taking.request("PROPPATCH", made, windows, MODIFIED).status == 207
    moved = taking.request("MOVE", made, windows | {"Destination": taking.url + named, "Overwrite": "F"})
    assert moved.status == 201
    assert taking.request("PROPFIND", made, windows | {"Depth": "0"}).status == 404
    assert taking.request("PROPFIND", named, windows | {"Depth": "1"}).status == 207
    assert taking.request("DELETE", named, windows).status == 204


@pytest.mark.parametrize("name", ["desktop.ini", "Thumbs.db"])
def test_what_explorer_leaves_behind_is_forgotten(taking: Serving, windows: dict[str, str], name: str) -> None:
    path = f"{FOLDER}/{name}"
    assert taking.request("PROPFIND", path, windows | {"Depth": "0"}).status == 404
    assert taking.request("PUT", path, windows, b"").status == 201
    token = token_of(taking.request("LOCK", path, windows, LOCK))
    assert taking.request("PUT", path, windows | {"If": f"({token})"}, b"junk").status == 201
    assert taking.request("PROPPATCH", path, windows, MODIFIED).status == 207
    assert taking.request("UNLOCK", path, windows | {"Lock-Token": token}).status == 204
    assert taking.request("HEAD", path, windows).status == 404
    assert taking.request("PROPFIND", FOLDER, {"Depth": "1"}).text.count("<D:response>") == 1


@pytest.mark.parametrize(("name", "who"), [("Thumbs.db", "windows"), ("desktop.ini", "windows"), ("._a", "finder")])
def test_what_another_program_brought_under_such_a_name_can_be_opened(
    taking: Serving, windows: dict[str, str], name: str, who: str
) -> None:
    path = f"{FOLDER}/{name}"
    assert taking.request("PUT", path, body=b"somebody's").status == 201
    headers = windows if who == "windows" else FINDER
    assert name in taking.request("PROPFIND", FOLDER, headers | {"Depth": "1"}).text
    assert taking.request("GET", path, headers).body == b"somebody's"
    assert taking.request("PROPFIND", path, headers | {"Depth": "0"}).status == 207


def test_names_that_explorer_cannot_show_are_shown_otherwise(taking: Serving, windows: dict[str, str]) -> None:
    names = ["a:b", "what?", "CON", "nul.txt", "dot.", "space ", "per%cent", "tab\there", '<>"|*\\']
    quoted = [f"{FOLDER}/" + "".join(f"%{byte:02X}" for byte in name.encode()) for name in names]
    quoted.append(f"{FOLDER}/latin-%FC")  # no UTF-8 at all
    for number, path in enumerate(quoted):
        assert taking.request("PUT", path, body=b"%d" % number).status == 201, path
        assert content(taking, path) == b"%d" % number
    listed = fromstring(taking.request("PROPFIND", FOLDER, windows | {"Depth": "1"}).body)
    shown = [found.text or "" for found in listed.iter("{DAV:}href")][1:]
    assert len(shown) == len(set(shown)) == len(quoted)
    for path in shown:
        hidden = {"%3A", "%3F", "%5C", "%25", "%09", "%22", "%FC"}
        assert not hidden & {path[at : at + 3] for at in range(len(path) - 2)}, path
    got = {taking.request("GET", path, windows).body for path in shown}
    assert got == {b"%d" % number for number in range(len(quoted))}
    # Others see the names as they are.
    plain = fromstring(taking.request("PROPFIND", FOLDER, {"Depth": "1"}).body)
    assert f"{FOLDER}/latin-%FC" in [found.text for found in plain.iter("{DAV:}href")]
    for path in shown:
        assert taking.request("DELETE", path, windows).status == 204


def chunked(taking: Serving, path: str, *headers: str, body: bytes = BODY) -> bytes:
    lines = [f"PUT {path} HTTP/1.1", "Host: x", f"Authorization: {taking.authorization}",
             *(f"{name}: {value}" for name, value in FINDER.items()), "Transfer-Encoding: Chunked",
             f"X-Expected-Entity-Length: {len(body)}", *headers, "", ""]  # fmt: skip
    return taking.raw("\r\n".join(lines).encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))


def test_finder_copies_a_file_in(taking: Serving) -> None:
    assert taking.request("OPTIONS", FOLDER + "/", FINDER).headers["DAV"] == "1, 2, 3"
    assert taking.request("PROPFIND", NEW, FINDER | {"Depth": "0"}).status == 404
    assert taking.request("PUT", NEW, FINDER | {"Content-Length": "0"}, b"").status == 201
    token = token_of(taking.request("LOCK", NEW, FINDER | {"Depth": "0", "Timeout": "Second-600"}, LOCK))
    assert chunked(taking, NEW, f"If: ({token})").startswith(b"HTTP/1.1 204 ")
    refreshed = taking.request("LOCK", NEW, FINDER | {"If": f"({token})", "Timeout": "Second-600"})
    assert refreshed.status == 200
    assert taking.request("UNLOCK", NEW, FINDER | {"Lock-Token": token}).status == 204
    assert content(taking, NEW) == BODY


@pytest.mark.parametrize("name", [".DS_Store", "._Bericht.doc"])
def test_what_finder_leaves_behind_is_forgotten(taking: Serving, name: str) -> None:
    path = f"{FOLDER}/{name}"
    assert taking.request("PROPFIND", path, FINDER | {"Depth": "0"}).status == 404
    assert taking.request("PUT", path, FINDER, b"").status == 201
    token = token_of(taking.request("LOCK", path, FINDER | {"Depth": "0"}, LOCK))
    assert chunked(taking, path, f"If: ({token})").startswith(b"HTTP/1.1 201 ")
    assert taking.request("UNLOCK", path, FINDER | {"Lock-Token": token}).status == 204
    assert taking.request("DELETE", path, FINDER).status == 204
    assert taking.request("GET", path, FINDER).status == 404
    assert taking.request("PUT", f"/staging/{STUDY}/E009/{name}", FINDER, b"").status == 404
    # Of another program, it is a file like any other.
    assert taking.request("PUT", path, body=b"meant").status == 201
    assert content(taking, path) == b"meant"
