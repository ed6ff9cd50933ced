"""MKCOL, DELETE, COPY and MOVE in the staging tree.

What a folder holds is taken one by one; what cannot be changed stays, and is told with its reason (207).
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress

from werkzeug.wrappers import Response

from catalog.pure.drops import REPORT, Entry, Place
from catalog.pure.errors import ArchimedError, Elsewhere, NotFound, Refused
from gateway.http import answers, properties
from gateway.http.requests import has_body
from gateway.http.staging import preconditions
from gateway.http.staging.visit import Declined, Visit, destination, plain

_PIECE = 1 << 20
_REPORT_DEPTH = 3

_Failures = list[tuple[str, ArchimedError]]


def mkcol(visit: Visit) -> Response:
    """Answer a MKCOL."""
    found = visit.find(visit.place)
    if found is not None:
        raise Declined(405, "there is something of that name", Allow="OPTIONS, PROPFIND, DELETE, MOVE, COPY")
    if has_body(visit.environ):
        raise Declined(415, "a MKCOL carries no body")
    visit.require_parent(visit.place)
    preconditions.check(visit, None)
    tokens = preconditions.shown_tokens(visit.environ)
    visit.check_locks(visit.place, tokens, new=True)
    visit.inbox.make_folder(visit.place)
    return plain(201)


def delete(visit: Visit) -> Response:
    """Answer a DELETE."""
    entry = visit.entry()
    if entry.is_folder and visit.environ.get("HTTP_DEPTH", "infinity").strip().lower() != "infinity":
        raise Declined(400, "a folder is removed with all that is in it: Depth infinity")
    _prepare_removal(visit, entry)
    return _done(visit, _remove(visit, visit.place, entry), 204)


def copy(visit: Visit) -> Response:
    """Answer a COPY."""
    entry = visit.entry()
    depth = visit.environ.get("HTTP_DEPTH", "infinity").strip().lower()
    if depth not in {"0", "infinity"}:
        raise Declined(400, "a COPY takes a Depth of 0 or infinity")
    target = destination(visit.environ)
    preconditions.check(visit, entry)
    former = _prepare_target(visit, target)
    failures = _clear(visit, target, former, entry)
    if not failures:
        failures = _copy(visit, visit.place, entry, target, deep=depth == "infinity")
    return _done(visit, failures, 204 if former else 201)


def move(visit: Visit) -> Response:
    """Answer a MOVE."""
    entry = visit.entry()
    if entry.is_folder and visit.environ.get("HTTP_DEPTH", "infinity").strip().lower() != "infinity":
        raise Declined(400, "a folder is moved with all that is in it: Depth infinity")
    target = destination(visit.environ)
    _prepare_removal(visit, entry)
    former = _prepare_target(visit, target)
    failures = _clear(visit, target, former, entry)
    if not failures:
        failures = _move(visit, entry, target)
    return _done(visit, failures, 204 if former else 201)


def _prepare_removal(visit: Visit, entry: Entry) -> None:
    preconditions.check(visit, entry)
    tokens = preconditions.shown_tokens(visit.environ)
    visit.check_locks(visit.place, tokens, deep=True, new=True)


def _prepare_target(visit: Visit, target: Place) -> Entry | None:
    """Check that something may be put at a place, and return what is there."""
    source = visit.place
    if target[: len(source)] == source or source[: len(target)] == target:
        raise Declined(403, "nothing can be copied or moved onto itself, into itself or over a folder that it is in")
    visit.require_parent(target)
    former = visit.find(target)
    tokens = preconditions.shown_tokens(visit.environ)
    visit.check_locks(target, tokens, deep=True, new=former is None)
    if former is not None and visit.environ.get("HTTP_OVERWRITE", "T").strip().upper() == "F":
        raise Declined(412, "there is something of that name, and it is not to be overwritten")
    return former


def _clear(visit: Visit, target: Place, former: Entry | None, entry: Entry) -> _Failures:
    """Make room at the target; a file takes the place of another in one step, later."""
    if former is None or not (former.is_folder or entry.is_folder):
        return []
    return _remove(visit, target, former)


def _remove(visit: Visit, place: Place, entry: Entry) -> _Failures:
    failures: _Failures = []
    if entry.is_folder:
        for below, member in visit.members(place):
            failures += _remove(visit, below, member)
    if not failures:
        with suppress(NotFound):  # somebody else was faster
            failures = _tried(visit, place, entry, visit.inbox.remove_folder if entry.is_folder else visit.inbox.remove)
    if not failures:
        visit.locks.forget(place)
    return failures


def _copy(visit: Visit, source: Place, entry: Entry, target: Place, *, deep: bool) -> _Failures:
    if not entry.is_folder:
        return _tried(visit, target, entry, lambda place: _copy_file(visit, source, entry, place))
    failures = _tried(visit, target, entry, visit.inbox.make_folder)
    if deep and not failures:
        for below, member in visit.members(source):
            if not _is_report(below):
                failures += _copy(visit, below, member, (*target, member.name), deep=True)
    return failures


def _copy_file(visit: Visit, source: Place, entry: Entry, target: Place) -> None:
    visit.inbox.stat(target[:-1])
    reading = visit.inbox.open(source)
    try:
        upload = visit.inbox.upload(target)
        try:
            while piece := os.read(reading.fd, _PIECE):
                upload.write(piece)
            os.utime(upload.fd, ns=(entry.mtime_ns, entry.mtime_ns))
            upload.commit()
        except BaseException:
            upload.discard()
            raise
    finally:
        reading.close()
    properties_of = visit.inbox.properties(source)
    if properties_of:
        visit.inbox.set_properties(target, properties_of)


def _move(visit: Visit, entry: Entry, target: Place) -> _Failures:
    try:
        visit.inbox.rename(visit.place, target)
    except Elsewhere:
        failures = _copy(visit, visit.place, entry, target, deep=True)
        return failures or _remove(visit, visit.place, entry)
    visit.locks.forget(visit.place)
    return []


def _is_report(place: Place) -> bool:
    return len(place) == _REPORT_DEPTH and place[2] == REPORT


def _tried(visit: Visit, place: Place, entry: Entry, act: Callable[[Place], None]) -> _Failures:
    try:
        act(place)
    except NotFound:
        raise
    except ArchimedError as error:
        return [(visit.href(place, folder=entry.is_folder), error)]
    return []


def _done(visit: Visit, failures: _Failures, status: int) -> Response:
    if not failures:
        return plain(status)
    own = {visit.href(visit.place, folder=False), visit.href(visit.place, folder=True)}
    if len(failures) == 1 and failures[0][0] in own:
        raise failures[0][1]
    return answers.xml(207, properties.HEAD + "".join(_told(failures)) + properties.FOOT)


def _told(failures: Iterable[tuple[str, ArchimedError]]) -> Iterable[str]:
    for href, error in failures:
        status = answers.failure(error).status
        yield f"<D:response><D:href>{href}</D:href><D:status>HTTP/1.1 {status}</D:status>"
        yield f"<D:responsedescription>{error if isinstance(error, Refused) else ''}</D:responsedescription></D:response>"
