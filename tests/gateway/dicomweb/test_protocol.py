"""What clients may ask for oddly, and hostile bodies: a clear status of the standard."""

import io
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.errors import Invalid, NotFound
from catalog.retrieve import Level
from gateway.dicomweb.frames import numbers, viewport
from gateway.dicomweb.media import accepted, accepts
from gateway.dicomweb.multipart import Out, Reading, Written
from gateway.dicomweb.searching import asked
from tests.catalog.gate.conftest import STUDY
from tests.gateway.dicomweb.conftest import Web
from tests.gateway.http.serving import Reply
from tests.synthetic import image

JSON = {"Accept": "application/dicom+json"}


def get(web: Web, path: str, method: str = "GET", **headers: str) -> Reply:
    return web.serving.request(method, f"/dicomweb{path}", {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture(scope="module")
def place(web: Web) -> str:
    """Give the path of an instance."""
    (study, *_) = json.loads(get(web, "/studies?PatientID=E001&IssuerOfPatientID=2008-0003").body)
    uid = study["0020000D"]["Value"][0]
    (found, *_) = json.loads(get(web, f"/studies/{uid}/instances").body)
    return f"/studies/{uid}/series/{found['0020000E']['Value'][0]}/instances/{found['00080018']['Value'][0]}"


def test_statuses(web: Web, place: str) -> None:
    for path, status in (
        ("/", 404), ("/nothing", 404), ("/studies/1.2.3/metadata", 404), (f"{place}/frames/x", 404), (f"{place}/frames/0", 404),
        (f"{place}/frames/2", 404), (f"{place}/bulkdata/00100010", 404), (f"{place}/bulkdata/zz", 404), ("/series/1.2.3", 404),
        ("/studies?limit=x", 400), ("/studies?Nonsense=1", 400), (f"{place}/rendered?viewport=a,b", 400), ("/studies", 200),
        ("/studies-of/none/studies", 404), ("/studies-of/2008-0003/studies", 200), (f"{place}/rendered", 200),
        (f"{place}/thumbnail", 200), (f"{place}/frames/1/thumbnail", 200), ("/studies?PatientID=nobody", 200),
        (place.partition("/instances")[0] + "/thumbnail", 200), (place.partition("/series")[0] + "/thumbnail", 200),
    ):  # fmt: skip
        assert get(web, path).status == status, path
    assert get(web, "/studies", "DELETE").status == 405
    assert json.loads(get(web, "/studies?PatientID=nobody").body) == []


@pytest.mark.parametrize(
    ("below", "accept"),
    [("", "text/csv"), ("/metadata", "text/csv"), ("/frames/1", "image/jp2"), ("/rendered", "image/gif"),
     ("/bulkdata/7FE00010", "text/csv"),
     ("", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90')],
)  # fmt: skip
def test_what_nobody_has_is_not_acceptable(web: Web, place: str, below: str, accept: str) -> None:
    assert get(web, place + below, Accept=accept).status == 406


def test_the_same_answer_is_not_sent_twice_and_a_head_has_its_size(web: Web, place: str) -> None:
    for below in ("", "/metadata", "/frames/1", "/rendered", "/bulkdata/7FE00010"):
        first = get(web, place + below)
        assert first.status == 200, below
        assert get(web, place + below, If_None_Match=first.headers["ETag"]).status == 304
        head = get(web, place + below, "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["ETag"] == first.headers["ETag"]


def test_json_is_compressed_and_pixels_come_by_range(web: Web, place: str) -> None:
    series = place.partition("/instances")[0]
    plain, packed = get(web, f"{series}/metadata"), get(web, f"{series}/metadata", Accept_Encoding="gzip")
    assert len(packed.body) <= len(plain.body)
    some = get(web, f"{place}/bulkdata/7FE00010", Accept="application/octet-stream", Range="bytes=2-5")
    whole = get(web, f"{place}/bulkdata/7FE00010", Accept="application/octet-stream")
    assert (some.status, some.body) == (206, whole.body[2:6])
    assert some.headers["Content-Range"] == f"bytes 2-5/{len(whole.body)}"
    alone = get(web, place, Accept="application/dicom")
    assert alone.body[128:132] == b"DICM"
    assert int(alone.headers["Content-Length"]) == len(alone.body)


def test_more_than_was_asked_for_is_said(web: Web) -> None:
    found = get(web, "/studies?limit=1&fuzzymatching=true")
    warnings = found.headers.get_all("Warning") or []
    assert any("more results" in each for each in warnings)
    assert any("fuzzymatching" in each for each in warnings)
    assert get(web, "/studies").headers.get_all("Warning") is None


def test_a_body_that_cannot_be_taken(web: Web) -> None:
    def post(body: bytes, kind: str = 'multipart/related; type="application/dicom"; boundary=x') -> int:
        found = web.serving.request("POST", f"/dicomweb/studies-of/{STUDY}/studies", {"Content-Type": kind}, body)
        return found.status

    good = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + image(study="77") + b"\r\n"
    assert post(good, "application/dicom") == 415
    assert post(good, 'multipart/related; type="application/dicom"') == 400
    assert post(good) == 400, "it does not end"
    assert post(b"--x\r\nContent-Type: application/dicom\r\n\r\nnothing\r\n--x--\r\n") == 409
    assert post(b"--x--\r\n") == 400
    assert post(b"--x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n\r\n--x--\r\n") == 400
    mixed = good + b"--x\r\n\r\nnothing\r\n--x--\r\n trailing"
    assert post(mixed) == 202


@given(parts=st.lists(st.binary(max_size=200), max_size=5), size=st.integers(1, 64))
def test_what_is_written_in_parts_is_read_again(parts: list[bytes], size: int) -> None:
    written = Written("application/dicom", [Out("application/dicom", len(part), lambda part=part: [part]) for part in parts])  # type: ignore[misc]
    body = b"".join(written)
    assert len(body) == written.size
    source = io.BytesIO(body)
    boundary = written.content_type.rpartition("=")[2]
    reading = Reading(lambda count: source.read(min(count, size)), boundary)
    assert [b"".join(part.pieces) for part in reading.parts()] == parts


@given(body=st.binary(max_size=400) | st.lists(st.sampled_from([b"--x", b"\r\n", b"--", b"a: b", b"zz"])).map(b"".join))
def test_hostile_framing_is_refused_or_read(body: bytes) -> None:
    source = io.BytesIO(body)
    try:
        for part in Reading(source.read, "x").parts():
            b"".join(part.pieces)
    except Invalid:
        pass


@pytest.mark.parametrize(
    ("header", "kinds"),
    [
        ('multipart/related; type="application/dicom"; transfer-syntax=*', [("application/dicom", "*")]),
        ("multipart/related; type=application/octet-stream", [("application/octet-stream", "")]),
        ("image/png;q=0.5, image/jpeg", [("image/jpeg", ""), ("image/png", "")]),
        ("text/html;q=0", []), (None, [("*/*", "")]), ("", [("*/*", "")]),
    ],
)  # fmt: skip
def test_accept_headers(header: str | None, kinds: list[tuple[str, str]]) -> None:
    assert [(each.content, each.syntax) for each in accepted(header)] == kinds


@given(st.text(max_size=100))
def test_any_accept_header_is_read(header: str) -> None:
    accepts(accepted(header), "application/dicom+json")


@given(
    st.lists(
        st.tuples(st.sampled_from(["limit", "offset", "PatientID", "00100020", "includefield", "x"]), st.text(max_size=20))
    )
)
def test_any_parameters_are_a_search_or_refused(parameters: list[tuple[str, str]]) -> None:
    try:
        found = asked(Level.STUDY, parameters, {})
    except Invalid:
        return
    assert 0 <= found.limit <= 10_000


@given(st.text(max_size=30))
def test_any_frames_and_viewports_are_read_or_refused(text: str) -> None:
    for read in (numbers, lambda given: viewport([("viewport", given), ("window", given)], small=False)):
        with suppress(Invalid, NotFound):
            read(text)
