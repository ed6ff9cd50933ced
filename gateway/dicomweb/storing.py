"""STOW-RS (PS3.18 10.5): instances in the parts of a body become files of an open batch, and wait at the gate like all others.

They are answered with 202: nothing is archived before a human has accepted it, and has no RetrieveURL yet. All instances
of one DICOM study come into one exam, which is named by a digest of its UID until the reviewer names it. A part that is no
DICOM, or finds no room, fails alone and is named in the answer.
"""

import io
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any, BinaryIO

import pydicom
from werkzeug.http import parse_options_header
from werkzeug.wrappers import Response

from catalog.filetypes.part10 import quietly
from catalog.gate.drops.inbox import Inbox, Inboxes
from catalog.gate.staged.area import Staging
from catalog.pure.errors import ArchimedError, Conflict, Invalid, OutOfSpace, Refused, Unavailable
from catalog.pure.names import check_code
from gateway.dicomweb.media import DICOM, JSON, MULTIPART
from gateway.dicomweb.multipart import In, Reading
from gateway.http import answers
from gateway.http.requests import Request

_PIECE = 1 << 20
_EPILOGUE = 64 * 1024
_OUT_OF_RESOURCES, _CANNOT_UNDERSTAND, _ANOTHER_STUDY = 0xA700, 0xC000, 0xC409


@dataclass(slots=True)
class _Outcome:
    """What became of the parts."""

    kept: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str, int]] = field(default_factory=list)


class Storing:
    """Takes instances. One a process, shared by its threads.

    Args:
        inboxes: where they go.
        staging: names exams that nobody has named.
        at_once: how many bodies may come in at once, so that some threads stay free for everything else.
    """

    def __init__(self, inboxes: Inboxes, staging: Staging, at_once: int) -> None:
        self._inboxes = inboxes
        self._staging = staging
        self._turn = BoundedSemaphore(at_once)

    def store(self, request: Request, study: str, exam: str, uid: str) -> Response:
        """Take a body into a study of the archive.

        Args:
            request: the request.
            study: code of the study.
            exam: code of the exam that they shall come into; "" to have one for each DICOM study.
            uid: the DICOM study that the path names, "" for none.

        Raises:
            NotFound, Refused: as who asks may not put anything there.
            Invalid: the body cannot be read.
            Unavailable: too many bodies come in.
        """
        kind, options = parse_options_header(request.environ.get("CONTENT_TYPE", ""))
        if kind.lower() != MULTIPART or options.get("type", DICOM).lower() != DICOM:
            return answers.text(415, 'send multipart/related; type="application/dicom"')
        if exam:
            check_code(exam, "exam")
        inbox = self._inboxes.of(request.principal)
        inbox.locate((study,))
        with self._place():
            reading = Reading(request.environ["wsgi.input"].read, options.get("boundary", ""))
            outcome = _Outcome()
            for part in reading.parts():
                self._take(inbox, (study, exam), uid, part, outcome)
        self._drain(request)
        return _answer(outcome)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._turn.acquire(blocking=False):
            raise Unavailable("too much comes in at the moment; send it again")
        try:
            yield
        finally:
            self._turn.release()

    def _drain(self, request: Request) -> None:
        """Read what follows the last boundary; what is long was not meant to be there."""
        with suppress(Exception):
            request.exchange.body_is_read = len(request.environ["wsgi.input"].read(_EPILOGUE)) < _EPILOGUE
        if not request.exchange.body_is_read:
            request.exchange.close()

    def _take(self, inbox: Inbox, place: tuple[str, str], uid: str, part: In, outcome: _Outcome) -> None:
        with self._staging.scratch() as file:
            sop_class, instance = "", ""
            try:
                for piece in part.pieces:
                    file.write(piece)
                file.seek(0)
                sop_class, instance, of_study = _identity(file)
                if uid and of_study != uid:
                    outcome.failed.append((sop_class, instance, _ANOTHER_STUDY))
                    return
                exam = place[1] or f"STOW-{self._staging.digest(of_study).hex()[:8]}"
                self._put(inbox, (place[0], exam), file)
            except (OSError, OutOfSpace, Unavailable, Conflict) as error:
                if isinstance(error, TimeoutError):
                    raise
                outcome.failed.append((sop_class, instance, _OUT_OF_RESOURCES))
            except Invalid as error:
                if not isinstance(error, _NotDicom):
                    raise
                outcome.failed.append((sop_class, instance, _CANNOT_UNDERSTAND))
            except Refused:
                if not instance:
                    raise
                outcome.failed.append((sop_class, instance, _OUT_OF_RESOURCES))
            else:
                outcome.kept.append((sop_class, instance))

    def _put(self, inbox: Inbox, folder: tuple[str, str], file: BinaryIO) -> None:
        with suppress(Conflict):
            inbox.make_folder(folder)
        upload = inbox.upload((*folder, f"{secrets.token_hex(8)}.dcm"))
        try:
            file.seek(0)
            while piece := file.read(_PIECE):
                upload.write(piece)
            upload.commit()
        except BaseException:
            upload.discard()
            raise


class _NotDicom(Invalid):
    """A part is no DICOM file."""


def _identity(file: io.BufferedRandom) -> tuple[str, str, str]:
    """Return SOP class, SOP instance and study of a file."""
    tags = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"]
    try:
        with quietly():
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags)
            found = (str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(dataset.get("StudyInstanceUID", "")))
    except ArchimedError:
        raise
    except Exception:  # noqa: BLE001 - pydicom lets out whatever the bytes provoke, and its text quotes them
        raise _NotDicom("a part is no DICOM file") from None
    return found


def _answer(outcome: _Outcome) -> Response:
    """Return the answer (PS3.18 10.5.3): what is kept, and what is not, with the reason."""
    found: dict[str, Any] = {}
    if outcome.kept:
        found["00081199"] = {"vr": "SQ", "Value": [_reference(*pair) for pair in outcome.kept]}
    if outcome.failed:
        items = [
            {**_reference(sop_class, instance), "00081197": {"vr": "US", "Value": [reason]}}
            for sop_class, instance, reason in outcome.failed
        ]
        found["00081198"] = {"vr": "SQ", "Value": items}
    status = 202 if outcome.kept else 409 if outcome.failed else 400
    return Response(json.dumps(found), status, content_type=JSON)


def _reference(sop_class: str, instance: str) -> dict[str, Any]:
    uids = {"00081150": sop_class, "00081155": instance}
    return {tag: {"vr": "UI", "Value": [uid]} if uid else {"vr": "UI"} for tag, uid in uids.items()}
