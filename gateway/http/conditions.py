"""If-* and Range headers of a GET (RFC 9110, sections 13 and 14), where wsgidav 4.4 answers wrongly.

It takes an If-Modified-Since of exactly the file's time for "modified", answers 412 where both If-None-Match and a later
If-Modified-Since hold, sends 304 without an ETag, and of several ranges serves one. So conditions are decided here and not
shown to it, and only a Range that it answers rightly is.
"""

from datetime import UTC

from werkzeug.http import parse_date, parse_etags, parse_range_header

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


def simplified(environ: Environ) -> Environ:
    """Return a copy without conditions that are decided, and with a Range only if it is a single one of bytes."""
    copy = {name: value for name, value in environ.items() if name not in _CONDITIONS}
    if "HTTP_RANGE" in copy:
        kept = single_range(copy.pop("HTTP_RANGE"))
        if kept is not None:
            copy["HTTP_RANGE"] = kept
    return copy


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
    return None if moment is None else (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
