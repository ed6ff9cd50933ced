"""What is not DICOM: one handler per format, and `FileCleaner`, which takes any file.

A handler knows its format and nothing of others; what they share is in `base`, who is asked in `registry`. A file of no known
format is refused. The laws are those of DICOM: the same bytes each time, no identity in an error, samples untouched.
"""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deid.cleaner import Cleaner
from deid.errors import DeidError, Held, Unreadable
from deid.formats import opaque
from deid.formats.base import Context, Handler, Seen, TargetError, Work
from deid.formats.look import look
from deid.formats.registry import looks_like_dicom, recognised
from deid.mapping import BY_SUBJECT, Mapping

if TYPE_CHECKING:
    from typing import BinaryIO

    from deid.report import Report
    from deid.rules.model import Profile

__all__ = ["Context", "FileCleaner", "Handler", "Seen", "Work", "recognised"]


class FileCleaner:
    """Cleans the files of one exam, DICOM or of a known format; takes what `deid.Cleaner` takes."""

    def __init__(
        self,
        profile: Profile,
        key: bytes,
        study: str,
        exam_code: str,
        *,
        pixels_approved: bool = False,
        overruled: bool = False,
        subject: str | None = None,
        scheme: int = BY_SUBJECT,
    ) -> None:
        who = profile.subject_of(exam_code) if subject is None else subject
        self._dicom = Cleaner(
            profile,
            key,
            study,
            exam_code,
            pixels_approved=pixels_approved,
            overruled=overruled,
            documents=self._document,
            subject=who,
            scheme=scheme,
        )
        self._context = Context(profile, Mapping(key, study, who, scheme=scheme), study, exam_code, pixels_approved)

    def map_uid(self, old: str) -> str:
        """The UID that stands for `old` in this study."""
        return self._dicom.map_uid(old)

    def known_words(self, text: str) -> str:
        """`text` with only words that the profile lets pass; without any where it keeps no descriptions."""
        return Work(self._context).text("name", text.encode("utf-8", "replace")).decode("ascii")

    def look(self, source: Path, name: str = "") -> list[Seen]:
        """What in a file that is kept as it is may identify somebody, without its values; `name` is what it is called.

        Raises an `OSError` if it cannot be read.
        """
        try:
            return look(source, self._context, name)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001  as in `clean`
            return [Seen(f"something that cannot be looked through ({type(error).__name__})")]

    def _document(self, document: bytes) -> bytes:
        """A document that lies in a DICOM file, cleaned as a file of its kind is. It is written to no disk."""
        out = io.BytesIO()
        with os.fdopen(os.memfd_create("document"), "wb") as stream:
            stream.write(document)
            stream.flush()
            source = Path(f"/proc/self/fd/{stream.fileno()}")
            handler = recognised(source)
            if handler is None:
                raise Held("of a kind that nobody here can look through")
            handler.clean(source, out, self._context)
        return out.getvalue()

    def clean(
        self,
        source: Path,
        target: BinaryIO,
        *,
        stem: str = "00001",
        renamed: tuple[str, str] | None = None,
        overruled: bool = False,
    ) -> Report:
        """Write the clean file to `target`.

        `stem`: what it and the files that belong to it will be called, but for their endings. `renamed`: in a BIDS dataset,
        the label of the subject and the one that stands for it. `overruled`: a named human has looked at this very file, which
        is no DICOM, and says why what looks like an identity in it is none.

        Raises `Unreadable` or `Held`: then nothing was written. An `OSError` is the target's alone.
        """
        context = replace(self._context, stem=stem, renamed=renamed, overruled=overruled)
        try:
            handler = recognised(source)
            if handler is not None:
                return handler.clean(source, target, context)
            if not looks_like_dicom(source):
                return opaque.clean(source, target, context)
        except DeidError as error:
            error.__context__ = None
            raise
        except TargetError as error:
            raise OSError(error.number, os.strerror(error.number or 0)) from None
        except OSError as error:
            raise Unreadable(f"cannot be read (errno {error.errno})") from None
        except Exception as error:  # noqa: BLE001  its text may hold a value of the file: only its kind may go on
            raise Unreadable(f"cannot be cleaned ({type(error).__name__})") from None
        return self._dicom.clean(source, target)
