"""PDF and Office files: they pass if the profile attests them, and nothing in them looks like an identity."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from deid.errors import Held
from deid.formats import office, pdf
from deid.formats.base import Context, Work, mapped

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_PDF, _ZIP, _OLE = b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Document:
    """Passes PDF and cleans Office files that are attested."""

    def recognise(self, head: bytes, source: Path) -> bool:
        """By the signature; a ZIP by holding what Office files hold."""
        return _PDF in head[:1024] or head.startswith(_OLE) or (head.startswith(_ZIP) and _is_office(source))

    def clean(self, source: Path, target: BinaryIO, context: Context) -> Report:
        """Pass or clean one file, or hold it."""
        data = mapped(source)
        is_pdf = _PDF in bytes(data[:1024])
        kind = "PDF" if is_pdf else "OFFICE"
        if not context.attests(kind):
            raise Held(f"a document may hold anything: the profile must attest {kind} for it")
        if bytes(data[:8]) == _OLE:
            raise Held("an Office file of the old kind: its properties cannot be looked through; save it anew")
        work = Work(context)
        if is_pdf:
            pdf.judge(data, work)
            work.keep(data)
            return work.finish(target, ".pdf", {"FileType": kind})
        ending, new = office.clean(source, work)
        work.keep(memoryview(new))
        return work.finish(target, ending, {"FileType": kind})


def _is_office(source: Path) -> bool:
    try:
        with zipfile.ZipFile(source) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return "[Content_Types].xml" in names or "META-INF/manifest.xml" in names
