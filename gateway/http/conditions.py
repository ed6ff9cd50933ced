"""If-* and Range headers of a GET (RFC 9110, sections 13 and 14): headers in, a decision out.

werkzeug parses them. It decides them too (`Response.make_conditional`), but without If-Unmodified-Since, and it answers the
first of several ranges as if it were all that was asked for; so what they come to is decided here.
"""

from datetime import UTC, datetime
from typing import Final

from werkzeug.http import parse_date, parse_etags, parse_if_range_header, parse_range_header

from gateway.http.requests import Environ

_CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")


def decided(environ: Environ, etag: str, mtime: int) -> int | None:
    """Return 304 or 412 if a condition of a GET or HEAD asks for it, else None.

    Args:
        etag: the strong entity tag, without quotes.
        mtime: the time of last modification, seconds since 1970.
    """
    match, none_match, modified, unmodified = (environ.get(name) for name in _CONDITIONS)
    if match is not None:
        tags = parse_etags(match)
        if not (tags.star_tag or tags.is_strong(etag)):
            return 412
    elif (moment := _seconds(unmodified)) is not None and mtime > moment:
        return 412
    if none_match is not None:
        tags = parse_etags(none_match)
        return 304 if tags.star_tag or tags.contains_weak(etag) else None
    if (moment := _seconds(modified)) is not None and mtime <= moment:
        return 304
    return None


BEHIND_THE_END: Final = range(0)


def wanted_range(environ: Environ, etag: str, mtime: int, size: int) -> range | None:
    """Return which bytes of a file are asked for: None for all of them, `BEHIND_THE_END` where it has none of those (416).

    A Range that is invalid, or asks for several ranges, is ignored, as the standard allows; so is one whose If-Range does not
    hold, or of a file without bytes.

    Args:
        environ: the request's headers.
        etag: the strong entity tag, without quotes.
        mtime: the time of last modification, seconds since 1970.
        size: of the file, in bytes.
    """
    kept = single_range(environ.get("HTTP_RANGE", ""))
    if kept is None or not size or not _still_holds(environ.get("HTTP_IF_RANGE"), etag, mtime):
        return None
    first, _, last = kept.removeprefix("bytes=").partition("-")
    if not first:  # so many bytes at the end; of a shorter file, all
        return range(max(size - int(last), 0), size)
    wanted = range(int(first), min(int(last) + 1, size) if last else size)
    return wanted or BEHIND_THE_END


def _still_holds(if_range: str | None, etag: str, mtime: int) -> bool:
    """Whether an If-Range header names this very file: by its strong tag, or exactly its time."""
    if not if_range:
        return True
    if if_range.lstrip().startswith("W/"):
        return False
    condition = parse_if_range_header(if_range)
    if condition.date is not None:
        return _timestamp(condition.date) == mtime
    return condition.etag == etag


def single_range(header: str) -> str | None:
    """Return a Range header of exactly one valid byte range in its plain form, else None: such a header may be ignored."""
    try:
        parsed = parse_range_header(header)
    except ValueError:
        return None
    if parsed is None or parsed.units != "bytes" or len(parsed.ranges) != 1:
        return None
    ((begin, end),) = parsed.ranges
    if begin < 0:
        return f"bytes={begin}"
    return f"bytes={begin}-" if end is None else f"bytes={begin}-{end - 1}"


def _seconds(header: str | None) -> float | None:
    moment = parse_date(header)
    return None if moment is None else _timestamp(moment)


def _timestamp(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
