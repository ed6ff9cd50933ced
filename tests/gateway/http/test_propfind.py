"""PROPFIND: which properties, of which nodes, how much of it, and what of malformed requests."""

import gzip
import hashlib
import time
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element, fromstring

import pytest

from tests.behaviour.suite import ACQUIRED, BIG_FOLDER, BIG_FOLDER_FILES, ODD, SERIES, SLICES
from tests.builders import ADDED
from tests.gateway.http.serving import DEPTH_1, Reply, Serving

DAV = "{DAV:}"
FILE = f"/archive/{SERIES}/00007.dcm"


def _date(when: int) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(when))


LAST_MODIFIED = _date(ACQUIRED)


def asks(inner: str) -> bytes:
    return f'<?xml version="1.0"?><D:propfind xmlns:D="DAV:">{inner}</D:propfind>'.encode()


def find(serving: Serving, path: str, body: bytes | None = None, depth: str = "0", **headers: str) -> Reply:
    return serving.request("PROPFIND", path, {"Depth": depth} | headers, body)


def told(response: Element) -> dict[str, dict[str, str]]:
    """Return status -> property -> text of one response."""
    result: dict[str, dict[str, str]] = {}
    for propstat in response.findall(f"{DAV}propstat"):
        status = (propstat.findtext(f"{DAV}status") or "").split()[1]
        for prop in propstat.findall(f"{DAV}prop/*"):
            result.setdefault(status, {})[prop.tag] = (prop.text or "") + "".join(child.tag for child in prop)
    return result


def only(reply: Reply) -> dict[str, dict[str, str]]:
    assert reply.status == 207
    assert reply.headers["Content-Type"] == "application/xml; charset=utf-8"
    (response,) = fromstring(reply.body)
    return told(response)


LEAN = {f"{DAV}resourcetype": "", f"{DAV}getcontentlength": "700", f"{DAV}getlastmodified": LAST_MODIFIED}


@pytest.mark.parametrize("body", [None, b"", asks("<D:allprop/>")])
def test_all_properties_are_few(serving: Serving, body: bytes | None) -> None:
    assert only(find(serving, FILE, body)) == {"200": LEAN}
    assert only(find(serving, f"/archive/{SERIES}", body)) == {
        "200": {f"{DAV}resourcetype": f"{DAV}collection", f"{DAV}getlastmodified": _date(ADDED)}
    }


def test_the_tag_is_quoted_as_in_the_header(serving: Serving) -> None:
    found = only(find(serving, FILE, asks("<D:prop><D:getetag/></D:prop>")))
    assert found == {"200": {f"{DAV}getetag": serving.request("HEAD", FILE).headers["ETag"]}}
    assert found["200"][f"{DAV}getetag"].startswith('"')


def test_more_than_all(serving: Serving) -> None:
    body = asks("<D:allprop/><D:include><D:getcontenttype/><D:nothing/></D:include>")
    assert only(find(serving, FILE, body)) == {"200": LEAN | {f"{DAV}getcontenttype": "application/dicom"}}


def test_named_properties(serving: Serving) -> None:
    wanted = ["resourcetype", "getcontentlength", "getlastmodified", "getetag", "getcontenttype", "displayname", "creationdate"]
    body = asks("<D:prop>" + "".join(f"<D:{name}/>" for name in wanted) + "</D:prop>")
    found = only(find(serving, FILE, body))
    assert set(found) == {"200"}
    assert set(found["200"]) == {DAV + name for name in wanted}
    assert found["200"][f"{DAV}creationdate"] == "2023-11-14T22:13:20Z"
    assert found["200"][f"{DAV}displayname"] == "00007.dcm"
    folder = only(find(serving, f"/archive/{SERIES}/", body))
    assert set(folder["404"]) == {f"{DAV}getcontentlength"}
    assert folder["200"][f"{DAV}getcontenttype"] == "httpd/unix-directory"


def test_unknown_properties_are_not_found(serving: Serving) -> None:
    body = asks('<D:prop><D:getetag/><D:lockdiscovery/><x:a xmlns:x="urn:&quot;x&lt;"/><plain/><D:getetag/></D:prop>')
    found = only(find(serving, FILE, body))
    assert set(found["200"]) == {f"{DAV}getetag"}
    assert set(found["404"]) == {f"{DAV}lockdiscovery", '{urn:"x<}a', "plain"}
    assert set(only(find(serving, FILE, asks("<D:prop><D:x/></D:prop>")))) == {"404"}


def test_names_of_properties(serving: Serving) -> None:
    found = only(find(serving, FILE, asks("<D:propname/>")))["200"]
    assert set(found.values()) == {""}
    assert f"{DAV}getetag" in found
    assert f"{DAV}getetag" not in only(find(serving, "/archive/", asks("<D:propname/>")))["200"]


def test_depth_one(serving: Serving) -> None:
    responses = fromstring(find(serving, f"/archive/{SERIES}", depth="1").body)
    hrefs = [response.findtext(f"{DAV}href") for response in responses]
    assert hrefs == [f"/archive/{SERIES}/", *(f"/archive/{SERIES}/{name}" for name in sorted(SLICES))]
    assert len(fromstring(find(serving, FILE, depth="1").body)) == 1


def test_a_files_digest_is_told_to_who_asks_for_it(serving: Serving) -> None:
    body = asks('<D:prop><x:checksums xmlns:x="http://owncloud.org/ns"/></D:prop>')
    digest = hashlib.sha256(SLICES["00007.dcm"]).hexdigest()
    assert f"<oc:checksum>SHA256:{digest}</oc:checksum>" in find(serving, FILE, body).text
    folder = find(serving, f"/archive/{SERIES}/", body, depth="1")
    assert folder.text.count("<oc:checksum>") == len(SLICES)
    assert "checksum" not in find(serving, FILE).text


@pytest.mark.parametrize("method", ["PROPFIND", "PROPPATCH"])
def test_xml_is_nested_to_a_depth(serving: Serving, method: str) -> None:
    deep = b"<a>" * 9_000 + b"</a>" * 9_000
    around = (b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>', b"</D:prop></D:set></D:propertyupdate>")
    body = asks(f"<D:prop>{deep.decode()}</D:prop>") if method == "PROPFIND" else around[0] + deep + around[1]
    reply = serving.request(method, FILE, {"Depth": "0"}, body)
    assert (reply.status, "nested more than" in reply.text) == (400, True)


def test_so_many_properties_are_asked_for_and_no_more(serving: Serving) -> None:
    for count, status in ((100, 207), (101, 400)):
        body = asks("<D:prop>" + "".join(f"<p{number}/>" for number in range(count)) + "</D:prop>")
        assert find(serving, FILE, body).status == status
    assert find(serving, FILE, asks(f"<D:prop><{'p' * 300}/></D:prop>")).status == 400


def test_the_root_leads_to_the_archive_and_to_staging(serving: Serving) -> None:
    assert [r.findtext(f"{DAV}href") for r in fromstring(find(serving, "/", depth="1").body)] == [
        "/", "/archive/", "/staging/",
    ]  # fmt: skip
    assert [r.findtext(f"{DAV}href") for r in fromstring(find(serving, "/", depth="0").body)] == ["/"]


def test_names_that_need_escaping(serving: Serving) -> None:
    body = asks("<D:prop><D:displayname/></D:prop>")
    (response,) = fromstring(find(serving, f"/archive/{quote(ODD)}/", body).body)
    assert unquote(response.findtext(f"{DAV}href") or "") == f"/archive/{ODD}/"
    assert response.findtext(f".//{DAV}displayname") == ODD.rpartition("/")[2]


def test_a_large_folder_comes_in_chunks_and_compressed_if_liked(serving: Serving) -> None:
    plain = find(serving, f"/archive/{BIG_FOLDER}/", depth="1")
    assert plain.headers["Transfer-Encoding"] == "chunked"
    assert len(fromstring(plain.body)) == BIG_FOLDER_FILES + 1
    squeezed = find(serving, f"/archive/{BIG_FOLDER}/", depth="1", **{"Accept-Encoding": "br;q=1.0, gzip;q=0.8"})
    assert squeezed.headers["Content-Encoding"] == "gzip"
    assert squeezed.headers["Vary"] == "Accept-Encoding"
    assert len(squeezed.body) * 10 < len(plain.body)
    assert gzip.decompress(squeezed.body) == plain.body
    refused = find(serving, f"/archive/{BIG_FOLDER}/", depth="1", **{"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


def test_chunked_requests(serving: Serving) -> None:
    body = asks("<D:prop><D:getetag/></D:prop>")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:10], body[10:])) + b"0\r\n\r\n"
    head = f"PROPFIND {FILE} HTTP/1.1\r\nHost: x\r\nDepth: 0\r\nAuthorization: {serving.authorization}\r\n"
    answer = serving.raw(head.encode() + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer.startswith(b"HTTP/1.1 207 ")
    assert b"<D:getetag>" in answer


ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "body",
    [
        b"<", b"nonsense", b"\xff\xfe", asks(""), asks("<D:allprop/><D:propname/>"), b"<propfind/>", asks("<D:other/>"),
        f'<!DOCTYPE x [<!ENTITY a0 "ha">{ENTITIES}]><D:propfind xmlns:D="DAV:">&a9;</D:propfind>'.encode(),
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><D:propfind xmlns:D="DAV:">&a;</D:propfind>',
        b'<?xml version="1.0" encoding="no-such"?><a/>', asks("<D:prop/>" * 10_000), b"x" * 70_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["PROPFIND", "PROPPATCH"])
def test_bodies_that_are_none(serving: Serving, method: str, body: bytes) -> None:
    reply = serving.request(method, FILE, {"Depth": "0"}, body)
    assert reply.status == 400
    assert reply.headers["Content-Type"].startswith("text/plain")


def test_a_body_that_ends_early(serving: Serving) -> None:
    head = f"PROPFIND {FILE} HTTP/1.1\r\nHost: x\r\nDepth: 0\r\nAuthorization: {serving.authorization}\r\n"
    assert serving.raw(head.encode() + b"Content-Length: 100\r\n\r\n<D:prop").startswith(b"HTTP/1.1 400 ")
    assert serving.raw(head.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n<D:prop").startswith(b"HTTP/1.1 400 ")


def test_proppatch_refuses_each_property(serving: Serving) -> None:
    body = (
        b'<?xml version="1.0"?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>'
        b"<Z:Win32LastModifiedTime>x</Z:Win32LastModifiedTime></D:prop></D:set><D:remove><D:prop><D:displayname/></D:prop>"
        b"</D:remove></D:propertyupdate>"
    )
    (response,) = fromstring(serving.request("PROPPATCH", FILE, {}, body).body)
    assert response.findtext(f"{DAV}href") == FILE
    assert set(told(response)["403"]) == {"{urn:schemas-microsoft-com:}Win32LastModifiedTime", f"{DAV}displayname"}
    assert response.find(f".//{DAV}error/{DAV}cannot-modify-protected-property") is not None


def test_what_a_listing_names_can_be_fetched(serving: Serving) -> None:
    for folder in (SERIES, quote(ODD)):
        for response in fromstring(serving.request("PROPFIND", f"/archive/{folder}/", DEPTH_1).body)[1:]:
            reply = serving.request("GET", response.findtext(f"{DAV}href") or "")
            assert reply.status == 200
            assert str(len(reply.body)) == response.findtext(f".//{DAV}getcontentlength")
