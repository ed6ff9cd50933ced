"""Every method on every kind of place: the table in `gateway.http.readonly`, on the real server."""

import unicodedata
from urllib.parse import quote

import pytest

from catalog.administration import Scope
from tests.behaviour.suite import ODD, SERIES, STUDY
from tests.gateway.http.serving import Serving, basic, new_token

PLACES = {
    "root": "/",
    "archive": "/archive/",
    "study": f"/archive/{STUDY}/",
    "folder": f"/archive/{SERIES}/",
    "folder without slash": f"/archive/{SERIES}",
    "file": f"/archive/{SERIES}/00001.dcm",
    "new": f"/archive/{SERIES}/new.dcm",
    "missing": f"/archive/{STUDY}/E9/x/y",
    "below a file": f"/archive/{SERIES}/00001.dcm/x",
    "no such study": "/archive/NONE",
    "ungranted": "/archive/SECRET",
    "in no such study": "/archive/NONE/E001/001_DCM_MR_x/00001.dcm",
    "ungranted file": "/archive/SECRET/E001/001_DCM_MR_x/00001.dcm",
    "elsewhere": "/other/thing",
}
HERE = ("root", "archive", "study", "folder", "folder without slash", "file")
NEW = ("new", "no such study", "ungranted")


def expected(method: str, place: str) -> int:
    if place == "elsewhere":
        return 404
    if method in {"POST", "PATCH", "UNLOCK", "BREW"}:
        return 405
    here, new = place in HERE, place in NEW
    return {
        "OPTIONS": 200 if here else 404,
        "GET": 200 if here else 404,
        "HEAD": 200 if here else 404,
        "PROPFIND": 207 if here else 404,
        "PROPFIND infinity": 403 if here else 404,
        "PROPFIND without Depth": 403 if here else 404,
        "PROPFIND 2": 400 if here else 404,
        "PROPPATCH": 207 if here else 404,
        "PUT": 403 if here or new else 404,
        "LOCK": 403 if here or new else 404,
        "MKCOL": 405 if here else 403 if new else 404,
        "DELETE": 403 if here else 404,
        "COPY": 403 if here else 404,
        "MOVE": 403 if here else 404,
    }[method]


PROPPATCH = (
    b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><Z:Win32CreationTime xmlns:Z="urn:schemas-microsoft-com:">x'
    b"</Z:Win32CreationTime></D:prop></D:set></D:propertyupdate>"
)
SENT: dict[str, tuple[str, dict[str, str], bytes | None]] = {
    "PROPFIND": ("PROPFIND", {"Depth": "1"}, None),
    "PROPFIND infinity": ("PROPFIND", {"Depth": "Infinity"}, None),
    "PROPFIND without Depth": ("PROPFIND", {}, None),
    "PROPFIND 2": ("PROPFIND", {"Depth": "2"}, None),
    "PROPPATCH": ("PROPPATCH", {}, PROPPATCH),
    "PUT": ("PUT", {}, b"bytes"),
    "COPY": ("COPY", {"Destination": "/archive/copy"}, None),
    "MOVE": ("MOVE", {"Destination": "/archive/moved"}, None),
}
METHODS = [
    "OPTIONS", "GET", "HEAD", "PROPFIND", "PROPFIND infinity", "PROPFIND without Depth", "PROPFIND 2", "PROPPATCH", "PUT",
    "LOCK", "UNLOCK", "MKCOL", "DELETE", "COPY", "MOVE", "POST", "PATCH", "BREW",
]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("place", PLACES)
def test_the_table(serving: Serving, method: str, place: str) -> None:
    verb, headers, body = SENT.get(method, (method, {}, None))
    reply = serving.request(verb, PLACES[place], headers, body)
    assert reply.status == expected(method, place)
    if reply.status == 405:
        assert reply.headers["Allow"] == "OPTIONS, GET, HEAD, PROPFIND"
    if method.startswith("PROPFIND") and reply.status == 403:
        assert b"<D:propfind-finite-depth/>" in reply.body
    if method == "PROPPATCH" and reply.status == 207:
        assert b"403 Forbidden" in reply.body
        assert b"<D:cannot-modify-protected-property/>" in reply.body
        assert b'xmlns:x="urn:schemas-microsoft-com:"' in reply.body
    if method == "HEAD":
        assert reply.body == b""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("hidden", "none"), [("ungranted", "no such study"), ("ungranted file", "in no such study")])
def test_what_is_not_granted_answers_as_what_does_not_exist(serving: Serving, method: str, hidden: str, none: str) -> None:
    verb, headers, body = SENT.get(method, (method, {}, None))
    replies = [serving.request(verb, PLACES[place], headers, body) for place in (hidden, none)]
    told = [(r.status, r.body, sorted((k, v) for k, v in r.headers.items() if k != "Date")) for r in replies]
    assert told[0] == told[1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("header", [None, "Basic !", "Bearer x", basic("anna", "wrong"), basic("nobody", "amt_x")])
def test_nothing_without_a_login(serving: Serving, method: str, header: str | None) -> None:
    verb, headers, body = SENT.get(method, (method, {}, None))
    with_header = headers | ({"Authorization": header} if header else {})
    for place, path in PLACES.items():
        reply = serving.request(verb, path, with_header, body, anonymous=True)
        if verb == "OPTIONS" and place == "root" and header is None:
            assert reply.status == 200
            continue
        assert reply.status == 401
        assert reply.headers["WWW-Authenticate"] == 'Basic realm="ArchiMed", charset="UTF-8"'
        if body:
            assert reply.headers["Connection"] == "close"


def test_a_token_without_the_scope_is_refused(serving: Serving) -> None:
    staging = {"Authorization": basic("anna", new_token(serving.built, "anna", Scope.STAGING))}
    for place in PLACES.values():
        if place.startswith("/archive"):
            assert serving.request("GET", place, staging).status == 403
    assert serving.request("PROPFIND", "/", staging | {"Depth": "0"}).status == 207


@pytest.mark.parametrize("place", ["root", "archive", "folder", "file"])
def test_options_tell_what_can_be_done(serving: Serving, place: str) -> None:
    reply = serving.request("OPTIONS", PLACES[place])
    assert reply.headers["Allow"] == "OPTIONS, GET, HEAD, PROPFIND"
    # The root speaks for the whole server.
    assert reply.headers["DAV"] == ("1, 2, 3" if place == "root" else "1, 3")


def test_options_of_the_server_itself(serving: Serving) -> None:
    for sent in ({}, {"Authorization": serving.authorization or ""}):
        reply = serving.request("OPTIONS", "*", sent, anonymous=True)
        assert reply.status == 200
        assert reply.headers["DAV"] == "1, 2, 3"


def test_names_that_desktops_probe_for_are_names_like_others(own_serving: Serving) -> None:
    names = ["Desktop.ini", "folder.jpg", "Thumbs.db", "AutoRun.inf", "._00001.dcm", ".DS_Store"]
    result, depth = f"{STUDY}/E001/003_RESULT_kept", {"Depth": "0"}
    own_serving.built.add_series(result, dict.fromkeys(names, b"somebody's"))
    for name in names:
        for method, status in (("GET", 200), ("HEAD", 200), ("PROPFIND", 207)):
            for missing in (f"/{name}", f"/archive/{SERIES}/{name}"):
                assert own_serving.request(method, missing, depth).status == 404
            found = own_serving.request(method, f"/archive/{result}/{name}", depth)
            assert found.status == status, name
            assert own_serving.request(method, f"/archive/{result}/{name}", depth, anonymous=True).status == 401
    assert own_serving.request("GET", f"/archive/{result}/Thumbs.db").body == b"somebody's"


def test_a_folder_is_a_page_with_links(serving: Serving) -> None:
    reply = serving.request("GET", f"/archive/{STUDY}/E001")
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f'href="/archive/{STUDY}/E001/003_DCM_MR_t1_mprage/"' in reply.text
    assert f'href="/archive/{STUDY}/"' in reply.text
    assert "004_DCM_MR_tête_#1+2;a=b&amp;c[d]&#x27;é/" in reply.text
    assert "004_DCM_MR_t%C3%AAte_%231%2B2%3Ba%3Db%26c%5Bd%5D%27%C3%A9/" in reply.text
    assert "SECRET" not in serving.request("GET", "/archive/").text


def test_health_and_figures_need_no_login_and_name_nobody(serving: Serving) -> None:
    assert serving.request("GET", "/healthz", anonymous=True).body == b"ok\n"
    assert serving.request("HEAD", "/healthz", anonymous=True).status == 200
    assert serving.request("POST", "/healthz", anonymous=True).status == 405
    serving.request("GET", f"/archive/{STUDY}/")
    figures = serving.request("GET", "/metrics", anonymous=True).text
    assert 'archimed_http_requests_total{method="GET",part="archive",status="200"}' in figures
    assert "anna" not in figures
    assert STUDY not in figures


def test_names_are_found_as_macos_and_windows_send_them(serving: Serving) -> None:
    composed = f"/archive/{ODD}/leer.bin"
    for sent in (unicodedata.normalize("NFD", composed), composed.upper().replace("/ARCHIVE/", "/archive/")):
        assert sent != composed
        path = quote(sent)
        assert serving.request("GET", path).status == 200
        assert serving.request("PROPFIND", path, {"Depth": "0"}).status == 207
        assert serving.request("PUT", path, body=b"x").status == 403
    assert serving.request("GET", quote(composed.replace("leer", "leeres"))).status == 404
