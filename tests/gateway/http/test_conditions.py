"""If-* and Range headers: the rules by themselves, against a reference, and what the server makes of them."""

from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.http.conditions import decided, single_range
from tests.behaviour.suite import ACQUIRED, BIG, ODD, SERIES, SLICES
from tests.gateway.http.serving import Serving

FILE = f"/archive/{SERIES}/00007.dcm"
BIG_FILE = f"/archive/{quote(ODD)}/00001.dcm"
EMPTY = f"/archive/{quote(ODD)}/leer.bin"
TAG = "ab" * 32
AT = format_datetime(datetime.fromtimestamp(ACQUIRED, UTC), usegmt=True)
BEFORE = format_datetime(datetime.fromtimestamp(ACQUIRED - 1, UTC), usegmt=True)
AFTER = format_datetime(datetime.fromtimestamp(ACQUIRED + 1, UTC), usegmt=True)

OTHER = f'"{"cd" * 32}"'
SAME = f'"{TAG}"'
CASES: list[tuple[dict[str, str], int | None]] = [
    ({}, None),
    ({"If-None-Match": SAME}, 304),
    ({"If-None-Match": f"W/{SAME}"}, 304),
    ({"If-None-Match": f"{OTHER}, {SAME}"}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": OTHER}, None),
    ({"If-None-Match": "nonsense"}, None),
    ({"If-None-Match": OTHER, "If-Modified-Since": AFTER}, None),
    ({"If-None-Match": SAME, "If-Modified-Since": BEFORE}, 304),
    ({"If-None-Match": SAME, "If-Modified-Since": AFTER}, 304),
    ({"If-Match": SAME}, None),
    ({"If-Match": "*"}, None),
    ({"If-Match": f"W/{SAME}"}, 412),
    ({"If-Match": OTHER}, 412),
    ({"If-Match": f"{OTHER}, {SAME}"}, None),
    ({"If-Match": OTHER, "If-None-Match": SAME}, 412),
    ({"If-Match": SAME, "If-None-Match": SAME}, 304),
    ({"If-Modified-Since": AT}, 304),
    ({"If-Modified-Since": AFTER}, 304),
    ({"If-Modified-Since": BEFORE}, None),
    ({"If-Modified-Since": "yesterday"}, None),
    ({"If-Unmodified-Since": AT}, None),
    ({"If-Unmodified-Since": BEFORE}, 412),
    ({"If-Unmodified-Since": BEFORE, "If-Match": SAME}, None),
    ({"If-Unmodified-Since": "yesterday"}, None),
]


@pytest.mark.parametrize(("headers", "status"), CASES)
def test_conditions(headers: dict[str, str], status: int | None) -> None:
    environ = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
    assert decided(environ, TAG, ACQUIRED) == status


@pytest.mark.parametrize(("headers", "status"), CASES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_server_keeps_them(serving: Serving, method: str, headers: dict[str, str], status: int | None) -> None:
    etag = serving.request("HEAD", FILE).headers["ETag"]
    sent = {name: value.replace(SAME, etag) for name, value in headers.items()}
    reply = serving.request(method, FILE, sent)
    assert reply.status == (status or 200)
    assert reply.headers["ETag"] == etag
    assert reply.headers["Cache-Control"] == "private, no-cache"
    if status == 304:
        # A cache takes over what a 304 says of a file.
        assert "Content-Type" not in reply.headers
    if status is None:
        assert reply.headers["Last-Modified"] == AT
        assert reply.headers["Content-Type"] == "application/dicom"
    assert reply.body == (SLICES["00007.dcm"] if status is None and method == "GET" else b"")


@pytest.mark.parametrize(
    ("header", "begin", "end"),
    [
        ("bytes=0-0", 0, 1), ("bytes=1-", 1, len(BIG)), ("bytes=-5", len(BIG) - 5, len(BIG)), ("bytes=5-9", 5, 10),
        ("bytes= 5 - 9", 5, 10), ("bytes=2999999-99999999", 2_999_999, len(BIG)), ("bytes=-99999999", 0, len(BIG)),
        ("BYTES=1-2", 1, 3), ("bytes=1048575-2097152", 1_048_575, 2_097_153),
    ],
)  # fmt: skip
def test_one_range(serving: Serving, header: str, begin: int, end: int) -> None:
    reply = serving.request("GET", BIG_FILE, {"Range": header})
    assert reply.status == 206
    assert reply.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{len(BIG)}"
    assert reply.headers["Content-Length"] == str(end - begin)
    assert reply.body == BIG[begin:end]


@pytest.mark.parametrize(
    "header",
    ["bytes=0-1,3-4", "bytes=5-2", "bytes=a-b", "bytes", "items=0-1", "bytes=", "bytes=-", "bytes=--1", "0-1", "bytes=-0",
     "bytes=0-1;x", "bytes=1.5-2", "bytes=" + "9" * 5000 + "-"],
)  # fmt: skip
def test_several_and_invalid_ranges_are_ignored(serving: Serving, header: str) -> None:
    reply = serving.request("GET", FILE, {"Range": header})
    assert reply.status == 200
    assert "Content-Range" not in reply.headers
    assert reply.body == SLICES["00007.dcm"]


def test_a_range_behind_the_end(serving: Serving) -> None:
    reply = serving.request("GET", FILE, {"Range": "bytes=700-"})
    assert reply.status == 416
    assert reply.headers["Content-Range"] == "bytes */700"


def test_an_empty_file(serving: Serving) -> None:
    for headers in ({}, {"Range": "bytes=0-"}, {"Range": "bytes=-1"}):
        reply = serving.request("GET", EMPTY, headers)
        assert (reply.status, reply.body, reply.headers["Content-Length"]) == (200, b"", "0")


def test_if_range(serving: Serving) -> None:
    etag = serving.request("HEAD", FILE).headers["ETag"]
    part = {"Range": "bytes=1-2"}
    for condition, status in ((etag, 206), (AT, 206), (OTHER, 200), (f"W/{etag}", 200), (BEFORE, 200), (AFTER, 200)):
        assert serving.request("GET", FILE, part | {"If-Range": condition}).status == status


def test_head_tells_what_get_would(serving: Serving) -> None:
    for headers in ({}, {"If-None-Match": "*"}, {"If-Match": "other"}):
        head, get = (serving.request(method, FILE, headers) for method in ("HEAD", "GET"))
        assert head.status == get.status
        assert {k: v for k, v in head.headers.items() if k != "Date"} == {k: v for k, v in get.headers.items() if k != "Date"}
        assert head.body == b""


def test_head_knows_no_ranges(serving: Serving) -> None:
    whole = serving.request("HEAD", FILE)
    for header in ("bytes=1-2", "bytes=9999-"):
        head = serving.request("HEAD", FILE, {"Range": header})
        assert (head.status, head.headers["Content-Length"]) == (200, whole.headers["Content-Length"])
        assert "Content-Range" not in head.headers


def test_a_browser_neither_runs_nor_keeps_what_it_was_sent(serving: Serving) -> None:
    headers = serving.request("GET", FILE).headers
    assert headers["Content-Security-Policy"] == "sandbox"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, no-cache"


plain_ranges = st.builds(
    lambda begin, end: f"bytes={begin}-{end}", st.integers(0, 2000), st.one_of(st.just(""), st.integers(0, 2000))
)


@given(
    st.one_of(st.text(max_size=40), st.text("bytes=0123456789-, \t\r\n+_.", max_size=40).map("bytes=".__add__), plain_ranges)
)
@example("bytes=0-1")
def test_whatever_is_kept_is_one_plain_range(header: str) -> None:
    kept = single_range(header)
    if kept is None:
        return
    units, _, wanted = kept.partition("=")
    begin, _, end = wanted.partition("-")
    assert units == "bytes"
    assert (begin + end).isascii()
    assert (begin + end).isdigit()
    assert not (begin and end) or int(begin) <= int(end)
    assert single_range(kept) == kept


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_what_is_plain_is_kept(begin: int, end: int) -> None:
    assert single_range(f"bytes={begin}-{end}") == (f"bytes={begin}-{end}" if begin <= end else None)
    assert single_range(f"bytes={begin}-") == f"bytes={begin}-"
    assert single_range(f"bytes=-{end}") == (f"bytes=-{end}" if end else None)
