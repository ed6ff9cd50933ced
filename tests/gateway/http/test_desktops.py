"""Windows Explorer and macOS Finder: the requests they send, in their order, replayed."""

from xml.etree.ElementTree import fromstring

import pytest

from tests.behaviour.suite import SERIES, STUDY
from tests.gateway.http.serving import Serving, basic

MINIREDIR = {"User-Agent": "Microsoft-WebDAV-MiniRedir/10.0.19045", "translate": "f", "Connection": "Keep-Alive"}
FINDER = {"User-Agent": "WebDAVFS/3.0.0 (03008000) Darwin/22.6.0 (x86_64)", "Accept": "*/*"}
NEW = f"/archive/{SERIES}/new.dcm"
WIN32_TIMES = (
    b'<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set>'
    b"<D:prop><Z:Win32CreationTime>Tue, 14 Nov 2023 22:13:20 GMT</Z:Win32CreationTime><Z:Win32FileAttributes>00000020"
    b"</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>"
)
LOCK = (
    b'<?xml version="1.0" encoding="utf-8" ?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    b"<D:locktype><D:write/></D:locktype><D:owner><D:href>CLINIC\\anna</D:href></D:owner></D:lockinfo>"
)


@pytest.fixture
def windows(serving: Serving) -> dict[str, str]:
    return MINIREDIR | {"Authorization": basic("CLINIC\\ANNA", serving.token)}


def test_windows_maps_a_drive(serving: Serving, windows: dict[str, str]) -> None:
    # It asks at the root first, without credentials, whatever folder the drive is to show.
    first = serving.request("OPTIONS", "/", MINIREDIR, anonymous=True)
    assert (first.status, first.headers["DAV"], first.headers["MS-Author-Via"]) == (200, "1, 2, 3", "DAV")
    for path in ("/", "/archive", f"/archive/{STUDY}"):
        refused = serving.request("PROPFIND", path, MINIREDIR | {"Depth": "0", "Content-Length": "0"}, anonymous=True)
        assert (refused.status, refused.headers["WWW-Authenticate"][:5]) == (401, "Basic")
        # A redirect to the path with a slash would make the folder look empty.
        assert serving.request("PROPFIND", path, windows | {"Depth": "0", "Content-Length": "0"}).status == 207


def test_windows_looks_into_a_folder(serving: Serving, windows: dict[str, str]) -> None:
    listed = serving.request("PROPFIND", f"/archive/{SERIES}", windows | {"Depth": "1", "Content-Length": "0"})
    assert len(fromstring(listed.body)) == 21
    # All answers for one folder must fit a megabyte: 2,500 entries at least.
    assert len(listed.body) / 21 < 1_000_000 / 2500
    for probe in ("desktop.ini", "folder.jpg", "Thumbs.db", "AutoRun.inf"):
        for depth in ("0", "1"):
            assert serving.request("PROPFIND", f"/archive/{SERIES}/{probe}", windows | {"Depth": depth}).status == 404
    head = serving.request("HEAD", f"/archive/{SERIES}/00007.dcm", windows)
    assert (head.status, head.headers["Content-Length"]) == (200, "700")
    assert serving.request("GET", f"/archive/{SERIES}/00007.dcm", windows).status == 200


def test_windows_is_told_that_it_cannot_copy_in(serving: Serving, windows: dict[str, str]) -> None:
    assert serving.request("PROPFIND", NEW, windows | {"Depth": "0"}).status == 404
    assert serving.request("PUT", NEW, windows, b"").status == 403
    assert serving.request("LOCK", NEW, windows | {"Timeout": "Second-3600"}, LOCK).status == 403
    existing = f"/archive/{SERIES}/00007.dcm"
    patched = serving.request("PROPPATCH", existing, windows, WIN32_TIMES)
    assert patched.status == 207
    assert b"HTTP/1.1 403 Forbidden" in patched.body
    assert serving.request("HEAD", NEW, windows).status == 404
    assert serving.request("UNLOCK", NEW, windows | {"Lock-Token": "opaquelocktoken:x"}).status == 405
    assert serving.request("DELETE", existing, windows).status == 403
    assert serving.request("MOVE", existing, windows | {"Destination": serving.url + NEW, "Overwrite": "F"}).status == 403


def test_finder_mounts_for_reading(serving: Serving) -> None:
    options = serving.request("OPTIONS", "/archive/", FINDER)
    # No class 2: Finder then mounts read-only and never tries to write.
    assert options.headers["DAV"] == "1, 3"
    wanted = (
        b'<?xml version="1.0" encoding="utf-8"?>\n<D:propfind xmlns:D="DAV:">\n<D:prop>\n<D:getlastmodified/>\n'
        b"<D:getcontentlength/>\n<D:creationdate/>\n<D:resourcetype/>\n</D:prop>\n</D:propfind>\n"
    )
    quota = (
        b'<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:quota-available-bytes/>'
        b"<D:quota-used-bytes/><D:quota/><D:quotaused/></D:prop></D:propfind>"
    )
    for body, depth in ((wanted, "0"), (quota, "0"), (wanted, "1")):
        found = serving.request("PROPFIND", f"/archive/{STUDY}/", FINDER | {"Depth": depth, "Content-Type": "text/xml"}, body)
        assert found.status == 207
    for probe in ("._.", ".DS_Store", "._00001.dcm"):
        assert serving.request("PROPFIND", f"/archive/{STUDY}/{probe}", FINDER | {"Depth": "0"}, wanted).status == 404
    part = serving.request("GET", f"/archive/{SERIES}/00007.dcm", FINDER | {"Range": "bytes=0-499", "Accept-Encoding": "gzip"})
    assert (part.status, len(part.body), part.headers["Content-Encoding"]) == (206, 500, None)


def test_finder_s_chunked_upload_is_refused_and_the_connection_closed(serving: Serving) -> None:
    head = f"PUT {NEW} HTTP/1.1\r\nHost: x\r\nAuthorization: {serving.authorization}\r\nX-Expected-Entity-Length: 5\r\n"
    answer = serving.raw(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"\r\nConnection: close\r\n" in answer
