"""MKCOL, DELETE, COPY and MOVE in the staging tree.

What a folder holds is taken one by one; what cannot be changed stays, and is named with its reason (207).
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
from gateway.http.staging.request import Declined, StagingRequest, plain

_PIECE = 1 << 20
_REPORT_DEPTH = 3

_Failures = list[tuple[str, ArchimedError]]


def mkcol(request: StagingRequest) -> Response:
    """Answer a MKCOL."""
    if request.locate(request.place).entry is not None:
        raise Declined(405, "there is something of that name", Allow="OPTIONS, PROPFIND, DELETE, MOVE, COPY")
    if has_body(request.environ):
        raise Declined(415, "a MKCOL carries no body")
    preconditions.check(request, None)
    tokens = preconditions.shown_tokens(request.environ)
    request.check_locks(request.place, tokens, new=True)
    request.inbox.make_folder(request.place)
    return plain(201)


def delete(request: StagingRequest) -> Response:
    """Answer a DELETE."""
    entry = request.entry()
    if entry.is_folder and request.environ.get("HTTP_DEPTH", "infinity").strip().lower() != "infinity":
        raise Declined(400, "a folder is removed with all that is in it: Depth infinity")
    _prepare_removal(request, entry)
    return _done(request, _remove(request, request.place, entry), 204)


def copy(request: StagingRequest) -> Response:
    """Answer a COPY."""
    entry = request.entry()
    depth = request.environ.get("HTTP_DEPTH", "infinity").strip().lower()
    if depth not in {"0", "infinity"}:
        raise Declined(400, "a COPY takes a Depth of 0 or infinity")
    target = request.destination()
    preconditions.check(request, entry)
    former = _prepare_target(request, target)
    failures = _clear(request, target, former, entry)
    if not failures:
        failures = _copy(request, request.place, entry, target, deep=depth == "infinity")
    return _done(request, failures, 204 if former else 201)


def move(request: StagingRequest) -> Response:
    """Answer a MOVE."""
    entry = request.entry()
    if entry.is_folder and request.environ.get("HTTP_DEPTH", "infinity").strip().lower() != "infinity":
        raise Declined(400, "a folder is moved with all that is in it: Depth infinity")
    target = request.destination()
    _prepare_removal(request, entry)
    former = _prepare_target(request, target)
    failures = _clear(request, target, former, entry)
    if not failures:
        failures = _move(request, entry, target)
    return _done(request, failures, 204 if former else 201)


def _prepare_removal(request: StagingRequest, entry: Entry) -> None:
    preconditions.check(request, entry)
    tokens = preconditions.shown_tokens(request.environ)
    request.check_locks(request.place, tokens, deep=True, new=True)


def _prepare_target(request: StagingRequest, target: Place) -> Entry | None:
    """Check that something may be put at a place, and return what is there."""
    source = request.place
    if target[: len(source)] == source or source[: len(target)] == target:
        raise Declined(403, "nothing can be copied or moved onto itself, into itself or over a folder that it is in")
    former = request.locate(target).entry
    tokens = preconditions.shown_tokens(request.environ)
    request.check_locks(target, tokens, deep=True, new=former is None)
    if former is not None and request.environ.get("HTTP_OVERWRITE", "T").strip().upper() == "F":
        raise Declined(412, "there is something of that name, and it is not to be overwritten")
    return former


def _clear(request: StagingRequest, target: Place, former: Entry | None, entry: Entry) -> _Failures:
    """Make room at the target; a file takes the place of another in one step, later."""
    if former is None or not (former.is_folder or entry.is_folder):
        return []
    return _remove(request, target, former)


def _remove(request: StagingRequest, place: Place, entry: Entry) -> _Failures:
    failures: _Failures = []
    if entry.is_folder:
        for below, member in request.members(place):
            failures += _remove(request, below, member)
    if not failures:
        with suppress(NotFound):  # somebody else was faster
            failures = _tried(request, place, entry, request.inbox.remove_folder if entry.is_folder else request.inbox.remove)
    if not failures:
        request.locks.forget(place)
    return failures


def _copy(request: StagingRequest, source: Place, entry: Entry, target: Place, *, deep: bool) -> _Failures:
    if not entry.is_folder:
        return _tried(request, target, entry, lambda place: _copy_file(request, source, entry, place))
    failures = _tried(request, target, entry, request.inbox.make_folder)
    if deep and not failures:
        for below, member in request.members(source):
            if not _is_report(below):
                failures += _copy(request, below, member, (*target, member.name), deep=True)
    return failures


def _copy_file(request: StagingRequest, source: Place, entry: Entry, target: Place) -> None:
    request.inbox.stat(target[:-1])
    reading = request.inbox.open(source)
    try:
        upload = request.inbox.upload(target)
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
    properties_of = request.inbox.properties(source)
    if properties_of:
        request.inbox.set_properties(target, properties_of)


def _move(request: StagingRequest, entry: Entry, target: Place) -> _Failures:
    try:
        request.inbox.rename(request.place, target)
    except Elsewhere:
        failures = _copy(request, request.place, entry, target, deep=True)
        return failures or _remove(request, request.place, entry)
    request.locks.forget(request.place)
    return []


def _is_report(place: Place) -> bool:
    return len(place) == _REPORT_DEPTH and place[2] == REPORT


def _tried(request: StagingRequest, place: Place, entry: Entry, act: Callable[[Place], None]) -> _Failures:
    try:
        act(place)
    except NotFound:
        raise
    except ArchimedError as error:
        return [(request.href(place, folder=entry.is_folder), error)]
    return []


def _done(request: StagingRequest, failures: _Failures, status: int) -> Response:
    if not failures:
        return plain(status)
    own = {request.href(request.place, folder=False), request.href(request.place, folder=True)}
    if len(failures) == 1 and failures[0][0] in own:
        raise failures[0][1]
    return answers.xml(207, properties.HEAD + "".join(_described(failures)) + properties.FOOT)


def _described(failures: Iterable[tuple[str, ArchimedError]]) -> Iterable[str]:
    for href, error in failures:
        status = answers.failure(error).status
        yield f"<D:response><D:href>{href}</D:href><D:status>HTTP/1.1 {status}</D:status>"
        yield f"<D:responsedescription>{error if isinstance(error, Refused) else ''}</D:responsedescription></D:response>"
