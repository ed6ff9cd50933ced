"""Objects as JSON answers: entity tags, pages by key, compression."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from pydantic import Field
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header
from werkzeug.wrappers import Response

from gateway.api.operations import Line, Query, pairs_of
from gateway.http import conditions
from gateway.http.requests import Environ

JSON = "application/json"
MOST = 10_000
_COMPRESSED_FROM = 1500  # bytes: less fits into one packet as it is
_GZIP_LEVEL = 2
T = TypeVar("T")


class Page(Query):
    """Which part of a list is asked for."""

    limit: Annotated[int, Field(ge=1, le=MOST, description="So many at most.")] = 1000
    after: Annotated[
        Line, Field(description="Only what follows this one in the list: what the header Link of a page names.")
    ] = ""


class NumberedPage(Query):
    """Which part of a list is asked for whose elements have numbers that grow."""

    limit: Annotated[int, Field(ge=1, le=MOST, description="So many at most.")] = 1000
    after: Annotated[int, Field(ge=0, le=2**53, description="Only what has a larger number.")] = 0


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A page of a list; `following`: what `after` has to be for the next one, None at the end."""

    items: Sequence[T]
    following: str | None
    note: Sequence[str] = ()


def listing(found: Iterable[T], limit: int, key: Callable[[T], Any]) -> Listing[T]:
    """Return the first so many of what was found behind `after` as a page."""
    items = list(islice(found, limit + 1))
    more = len(items) > limit
    items = items[:limit]
    return Listing(items, str(key(items[-1])) if more else None)


def behind(found: Sequence[T], after: str, key: Callable[[T], str], order: Callable[[str], Any]) -> Iterable[T]:
    """Yield what follows in a list that is in the order of its keys."""
    return (one for one in found if not after or order(key(one)) > order(after))


def json_answer(environ: Environ, value: object, status: int = 200) -> Response:
    """Return a value as JSON: 304 if the client has it already."""
    headers = {
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding, Authorization",
    }
    if isinstance(value, Listing):
        headers |= _of_page(environ, value)
        value = list(value.items)
    body = (json.dumps(value, ensure_ascii=False) + "\n").encode("utf-8", "replace")
    if status == 200:
        tag = hashlib.sha256(body).hexdigest()[:32]
        headers["ETag"] = f'W/"{tag}"'
        if (
            environ["REQUEST_METHOD"] in {"GET", "HEAD"}
            and "HTTP_IF_NONE_MATCH" in environ
            and (conditions.decided({"HTTP_IF_NONE_MATCH": environ["HTTP_IF_NONE_MATCH"]}, tag, 0) == 304)
        ):
            return Response(status=304, headers=headers)
    if len(body) >= _COMPRESSED_FROM and parse_accept_header(environ.get("HTTP_ACCEPT_ENCODING"), Accept).quality("gzip") > 0:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
    return Response(body, status, headers=headers, content_type=JSON)


def _of_page(environ: Environ, page: Listing[Any]) -> dict[str, str]:
    headers = {}
    if page.following is not None:
        kept = [(name, value) for name, value in pairs_of(environ) if name != "after"]
        query = urlencode([*kept, ("after", page.following)])
        headers["Link"] = f'<?{query}>; rel="next"'
    if page.note:
        headers["Archimed-Note"] = "; ".join(page.note).encode("ascii", "replace").decode()
    return headers
