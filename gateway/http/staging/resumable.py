"""Large files in pieces: the tus protocol 1.0.0 (https://tus.io), with creation, termination, expiration and checksum.

    POST   /staging/<study>/<exam>/<folder>/   expects a file of that folder; answers with the address of its pieces
    HEAD   /staging/_uploads/<id>              says how much has come
    PATCH  /staging/_uploads/<id>              brings more; with the last byte the file gets its name
    DELETE /staging/_uploads/<id>              gives it up

A client that was killed, on a machine that was switched off, asks with HEAD and goes on from there.
"""

import base64
import binascii
import hashlib

from werkzeug.http import http_date
from werkzeug.wrappers import Response

from catalog.gate.drops.partials import Partial, Partials
from catalog.pure.errors import Conflict, NotFound
from gateway.http.requests import Environ
from gateway.http.staging.receiving import Receiving, pieces
from gateway.http.staging.request import STAGING, Declined, StagingRequest, plain

UPLOADS = "_uploads"
VERSION = "1.0.0"
ABILITIES = {
    "Tus-Resumable": VERSION, "Tus-Version": VERSION, "Tus-Extension": "creation,termination,expiration,checksum",
    "Tus-Checksum-Algorithm": "md5,sha1,sha256",
}  # fmt: skip

_ALGORITHMS = frozenset({"md5", "sha1", "sha256"})
_PIECES = "application/offset+octet-stream"
_CHECKSUM_MISMATCH = 460


def is_upload(request: StagingRequest) -> bool:
    """Whether a request is about a file that comes in pieces: no study has such a code."""
    return request.place[:1] == (UPLOADS,)


def create(request: StagingRequest, partials: Partials) -> Response:
    """Answer a POST: expect a file."""
    environ = request.environ
    _require_version(environ)
    size = _number(environ.get("HTTP_UPLOAD_LENGTH"), "Upload-Length says how many bytes the file has")
    metadata = _metadata(environ.get("HTTP_UPLOAD_METADATA", ""))
    name = metadata.get("filename", b"").decode("utf-8", "surrogateescape")
    if not name:
        raise Declined(400, "Upload-Metadata gives the file's name as `filename`, in Base64")
    place = (*request.place, name)
    located = request.locate(place)
    found = located.entry
    if found is not None and found.is_folder:
        raise Declined(405, "a folder of that name is there; a file cannot take its place")
    request.check_locks(place, [])
    request.inbox.upload(place, located).discard()  # would it be taken at all?
    mtime = metadata.get("mtime", b"").partition(b".")[0]
    partial = partials.begin(place, size, int(mtime) if mtime.isdigit() and len(mtime) <= 11 else None)
    if partial.is_whole:
        _place(request, partials, partial)
    request.http.exchange.body_is_read = True
    host = environ.get("HTTP_HOST", "")
    answer = _described(201, partial)
    answer.headers["Location"] = f"{environ['wsgi.url_scheme']}://{host}/{STAGING}/{UPLOADS}/{partial.id}"
    return answer


def answer(request: StagingRequest, partials: Partials, receiving: Receiving) -> Response:
    """Answer a request about a file that comes in pieces."""
    if len(request.place) != 2:
        raise NotFound("there is no such upload")
    name, method = request.place[1], request.http.method
    if method == "OPTIONS":
        return plain(204, **{key.replace("-", "_"): value for key, value in ABILITIES.items()})
    _require_version(request.environ)
    if method == "HEAD":
        partial = partials.find(name)
        if partial.is_whole:
            # Its last piece came, and the server died before it had its name.
            _place(request, partials, partial)
        return _described(200, partial)
    if method == "PATCH":
        return _add(request, partials, receiving, name)
    if method == "DELETE":
        partials.give_up(name)
        return plain(204, Tus_Resumable=VERSION)
    raise Declined(405, "a file that comes in pieces takes HEAD, PATCH and DELETE", Allow="OPTIONS, HEAD, PATCH, DELETE")


def _add(request: StagingRequest, partials: Partials, receiving: Receiving, name: str) -> Response:
    environ = request.environ
    if environ.get("CONTENT_TYPE") != _PIECES:
        raise Declined(415, f"pieces come as {_PIECES}")
    offset = _number(environ.get("HTTP_UPLOAD_OFFSET"), "Upload-Offset says where the piece begins")
    checksum = _checksum(environ)
    try:
        with receiving.slot(), partials.adding(name, offset) as adding:
            digest = hashlib.new(checksum[0], usedforsecurity=False) if checksum else None
            try:
                for piece in pieces(request.http):
                    adding.write(piece)
                    if digest is not None:
                        digest.update(piece)
            except BaseException:
                if digest is not None:
                    adding.undo()  # of a piece that is not whole nobody knows whether it is right
                raise
            if checksum is not None and digest is not None and digest.digest() != checksum[1]:
                adding.undo()
                raise Declined(_CHECKSUM_MISMATCH, "the piece does not have the digest that Upload-Checksum names")
    except Conflict as error:
        raise Declined(409, str(error)) from None
    partial = partials.find(name)
    if partial.is_whole:
        _place(request, partials, partial)
    return _described(204, partial)


def _place(request: StagingRequest, partials: Partials, partial: Partial) -> None:
    try:
        partials.place(partial, lambda place: request.check_locks(place, []))
    except NotFound:
        raise Declined(409, "the folder that the file goes to is gone; make it again and ask once more") from None


def _described(status: int, partial: Partial) -> Response:
    return plain(
        status, Tus_Resumable=VERSION, Upload_Offset=str(partial.offset), Upload_Length=str(partial.size),
        Upload_Expires=http_date(partial.expires), Cache_Control="no-store",
    )  # fmt: skip


def _require_version(environ: Environ) -> None:
    if environ.get("HTTP_TUS_RESUMABLE") != VERSION:
        raise Declined(412, "this server speaks version 1.0.0 of tus (header Tus-Resumable)", Tus_Version=VERSION)


def _number(text: str | None, sentence: str) -> int:
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Declined(400, sentence)
    return int(text)


def _metadata(header: str) -> dict[str, bytes]:
    found = {}
    for pair in header.split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise Declined(400, "Upload-Metadata holds keys with values in Base64") from None
    return found


def _checksum(environ: Environ) -> tuple[str, bytes] | None:
    header = environ.get("HTTP_UPLOAD_CHECKSUM")
    if header is None:
        return None
    name, _, value = header.partition(" ")
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if name not in _ALGORITHMS or not digest:
        raise Declined(400, "Upload-Checksum names md5, sha1 or sha256, then the digest in Base64")
    return name, digest
