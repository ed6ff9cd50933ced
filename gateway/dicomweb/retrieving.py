"""WADO-RS (PS3.18 10.4): instances as they are stored or without compression, their metadata, their bulk data.

Each file is opened when its turn comes, as who asks. Pixels are decoded in processes of their own.
"""

import errno
import hashlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Response

from catalog.filetypes.model import Look, Preview
from catalog.filetypes.part10 import quietly
from catalog.pure.errors import ArchimedError, NotFound, Unreadable
from catalog.retrieve import Answer, Instance
from catalog.view import OpenFile, View
from gateway.dicom import heads
from gateway.dicomweb import model
from gateway.dicomweb.headers import Headers, read_header
from gateway.dicomweb.media import ANY, DICOM, EXPLICIT, MULTIPART, OCTETS, Wanted, fits
from gateway.dicomweb.multipart import Out, Written
from gateway.drawing.processes import Drawing
from gateway.http import answers, conditions
from gateway.http.answers import Answer as HttpAnswer
from gateway.http.files import Files
from gateway.http.requests import Environ, Request, client_of

_PIECE = 1 << 20
_HEADERS = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff", "Vary": "Accept"}
_MOST_DECODED = 200
"""Instances that are decoded for one answer; with more, who asks takes them as they are stored."""

_INSTANCE = re.compile(r'"00080018":\{"vr":"UI","Value":\["([0-9.]*)"')

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a request is about: the request, whose view it is, and the instances, in the order of the tree."""

    request: Request
    view: View
    instances: Sequence[Answer]

    @property
    def program(self) -> str:
        """What asks, for the audit."""
        return client_of(self.request.environ.get("HTTP_USER_AGENT", ""))

    @property
    def files(self) -> list[Instance]:
        """The instances' files."""
        return [answer.instance for answer in self.instances if answer.instance is not None]

    def tag(self, *how: str) -> str:
        """Return the entity tag of an answer that is made of these files in some way."""
        digest = hashlib.sha256("\0".join(how).encode())
        for file in self.files:
            digest.update(file.digest)
        return digest.hexdigest()

    def open(self, instance: Instance) -> OpenFile:
        """Open a file as who asks.

        Raises:
            NotFound: it is not granted any more.
            Damaged, Unavailable: its bytes are not there, or not now.
        """
        return heads.opened(self.view, instance, self.program)


class Sent:
    """A body as a WSGI application that knows its status and its size before it runs, and ends when its reader loses it."""

    status_code = 200

    def __init__(self, chosen: Chosen, files: Files, headers: dict[str, str], body: Callable[[], Iterable[bytes]]) -> None:
        self._chosen = chosen
        self._files = files
        self._headers = headers
        self._body = body

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Send it."""
        start_response("200 OK", list(self._headers.items()))
        return () if environ["REQUEST_METHOD"] == "HEAD" else self._pieces()

    def _pieces(self) -> Iterator[bytes]:
        end = self._files.watch(self._chosen.request, self._may_go_on)
        try:
            yield from self._body()
        except ArchimedError as error:
            # The status is sent: what is left is to cut the answer short, which the client notices by its size.
            _log.info("an answer was cut off: %s", error)
            raise ConnectionResetError(errno.ECONNRESET, "an answer was cut off") from None
        finally:
            end()

    def _may_go_on(self) -> bool:
        try:
            self._chosen.view.attributes(heads.node_of(self._chosen.files[-1]))
        except NotFound:
            return False
        return self._chosen.request.still_authenticated()


def unchanged(request: Request, tag: str) -> Response | None:
    """Return the answer to a request that has what it asks for already, else None."""
    if conditions.decided(request.environ, tag, 0) == 304:
        return Response(status=304, headers={"ETag": f'"{tag}"', **_HEADERS})
    return None


def not_acceptable(what: str) -> Response:
    """Return that nothing that a client accepts can be made of what it asks for."""
    return answers.text(406, what)


class Retrieving:
    """Answers of instances. One a process, shared by its threads.

    Args:
        headers: of instances.
        drawing: decodes pixels.
        files: watches over what is being sent.
    """

    def __init__(self, headers: Headers, drawing: Drawing, files: Files) -> None:
        self._headers = headers
        self._drawing = drawing
        self._files = files

    def metadata(self, chosen: Chosen, address: Callable[[Answer, str], str]) -> HttpAnswer:
        """Return the data sets of instances without their bulk data.

        Args:
            chosen: which.
            address: returns the URL of an instance, by what was found of it and its SOP instance UID.
        """
        tag = chosen.tag("metadata")
        if (same := unchanged(chosen.request, tag)) is not None:
            return same

        def pieces() -> Iterator[str]:
            between = "["
            for answer in chosen.instances:
                if answer.instance is not None:
                    text = self._headers.text(chosen.view, answer.instance, chosen.program)
                    yield between + text.replace(model.BASE, json.dumps(address(answer, _uid_in(text)))[1:-1])
                    between = ","
            yield "]" if between == "," else "[]"

        sent = answers.streamed(chosen.request.environ, 200, "application/dicom+json", pieces())
        sent.headers.update({"ETag": f'W/"{tag}"', **_HEADERS, "Vary": "Accept, Accept-Encoding"})
        return sent

    def instances(self, chosen: Chosen, wanted: Sequence[Wanted]) -> HttpAnswer:
        """Return instances, one or a study's, in the first of the forms that a client accepts that can be made."""
        for each in wanted:
            if fits(each, DICOM) and not each.is_multipart and len(chosen.files) == 1 and each.kind == DICOM:
                sent = self._as(chosen, each.syntax, alone=True)
            elif each.kind in {MULTIPART, "*/*", "multipart/*"} and each.part in {"", DICOM}:
                sent = self._as(chosen, each.syntax, alone=False)
            else:
                continue
            if sent is not None:
                return sent
        return not_acceptable('instances are sent as multipart/related; type="application/dicom"; transfer-syntax=*')

    def _as(self, chosen: Chosen, syntax: str, *, alone: bool) -> HttpAnswer | None:
        """Return instances in a transfer syntax ("": the default, explicit little endian); None where that cannot be done."""
        stored = [self.syntax_of(chosen, file) for file in chosen.files]
        asked = syntax or EXPLICIT
        if asked != ANY and any(each != asked for each in stored):
            if asked != EXPLICIT or len(stored) > _MOST_DECODED:
                return None
            parts = [
                self._part(chosen, file, own) if own == EXPLICIT else self._decoded(chosen, file)
                for file, own in zip(chosen.files, stored, strict=True)
            ]
        else:
            parts = [self._part(chosen, file, own) for file, own in zip(chosen.files, stored, strict=True)]
        tag = chosen.tag("instances", asked, str(alone))
        return self.sent(chosen, DICOM, parts, tag, alone=alone)

    def sent(self, chosen: Chosen, kind: str, parts: Sequence[Out], tag: str, *, alone: bool) -> HttpAnswer:
        """Return parts as the answer: one alone as it is, else as multipart/related."""
        if (same := unchanged(chosen.request, tag)) is not None:
            return same
        common = {"ETag": f'"{tag}"', **_HEADERS}
        if alone:
            (part,) = parts
            headers = {"Content-Type": part.content_type, "Content-Length": str(part.size), **common}
            return Sent(chosen, self._files, headers, part.pieces)
        written = Written(kind, parts)
        headers = {"Content-Type": written.content_type, "Content-Length": str(written.size), **common}
        return Sent(chosen, self._files, headers, lambda: written)

    def syntax_of(self, chosen: Chosen, file: Instance) -> str:
        """Return the transfer syntax of a file."""
        if file.transfer_syntax:
            return file.transfer_syntax
        with closing(chosen.open(file)) as opened:
            return heads.stored(opened).transfer_syntax

    def _part(self, chosen: Chosen, file: Instance, syntax: str) -> Out:
        def pieces() -> Iterator[bytes]:
            with closing(chosen.open(file)) as opened:
                for offset in range(0, file.size, _PIECE):
                    piece = opened.read_at(offset, _PIECE)
                    opened.count(len(piece))
                    yield piece

        return Out(f"{DICOM}; transfer-syntax={syntax}", file.size, pieces)

    def _decoded(self, chosen: Chosen, file: Instance) -> Out:
        with closing(chosen.open(file)) as opened:
            data = self.drawn(opened, Look(), "explicit").data
            opened.count(len(data))
        return Out(f"{DICOM}; transfer-syntax={EXPLICIT}", len(data), lambda: [data])

    def drawn(self, opened: OpenFile, look: Look, want: str = "picture") -> Preview:
        """Return what a process of its own makes of an open file.

        Raises:
            Unreadable: it cannot be made, and why.
            Unavailable: too much is being drawn.
        """
        with _as_path(opened) as path:
            return self._drawing.draw(path, "DCM", look, want)

    def bulkdata(self, chosen: Chosen, path: Sequence[str], wanted: Sequence[Wanted]) -> HttpAnswer:
        """Return the value of an element that metadata name by a URI.

        Raises:
            NotFound: there is no such element.
        """
        (file,) = chosen.files
        with closing(chosen.open(file)) as opened:
            data = _element_of(opened, path)
            opened.count(len(data))
        tag = chosen.tag("bulkdata", *path)
        for each in wanted:
            if each.is_multipart and each.part in {"", OCTETS, "*/*"}:
                return self.sent(chosen, OCTETS, [Out(OCTETS, len(data), lambda: [data])], tag, alone=False)
            if fits(each, OCTETS):
                return _ranged(chosen.request, data, tag)
        return not_acceptable("bulk data are sent as application/octet-stream")


def _uid_in(text: str) -> str:
    found = _INSTANCE.search(text)
    return found[1] if found else ""


def _ranged(request: Request, data: bytes, tag: str) -> Response:
    if (same := unchanged(request, tag)) is not None:
        return same
    headers = {"ETag": f'"{tag}"', "Accept-Ranges": "bytes", **_HEADERS}
    asked = conditions.wanted_range(request.environ, tag, 0, len(data)) if request.method != "HEAD" else None
    if asked is conditions.BEHIND_THE_END:
        return Response(status=416, headers={"Content-Range": f"bytes */{len(data)}", **headers})
    if asked is None:
        return Response(data, 200, headers, content_type=OCTETS)
    headers["Content-Range"] = f"bytes {asked.start}-{asked.stop - 1}/{len(data)}"
    return Response(data[asked.start : asked.stop], 206, headers, content_type=OCTETS)


def _element_of(opened: OpenFile, path: Sequence[str]) -> bytes:
    """Return an element's bytes as they are stored; those of native pixels only where they are asked for by their own tag."""
    try:
        with quietly():
            header = read_header(opened)
            if header.pixels and [tag.upper() for tag in path] == [model.tag_of(header.pixels)]:
                rest = opened.node.size - header.offset
                return opened.read_at(header.offset, rest if header.length is None else header.length)
            value = model.element_at(header.dataset, path).value
    except KeyError:
        raise NotFound("the instance has no such element") from None
    except ArchimedError:
        raise
    except Exception:  # noqa: BLE001 - pydicom lets out whatever the bytes provoke, and its text quotes them
        raise Unreadable("the element cannot be read") from None
    if not isinstance(value, bytes):
        raise NotFound("the element's value stands in the metadata")
    return value


@contextmanager
def _as_path(opened: OpenFile) -> Iterator[Path]:
    """Give the path at which another process of ours can open an open file."""
    if opened.fd is not None:
        yield Path(f"/proc/{os.getpid()}/fd/{opened.fd}")
        return
    with tempfile.NamedTemporaryFile() as copy:
        for offset in range(0, opened.node.size, _PIECE):
            copy.write(opened.read_at(offset, _PIECE))
        copy.flush()
        yield Path(copy.name)
