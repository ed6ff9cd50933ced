"""What no handler can take apart: passed as it is if the profile attests RAW, and only after everything in it that can be read
was looked through. May live here: the look at bytes of no format. Not: a format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid.errors import Unreadable
from deid.formats.base import Context, Work, mapped
from deid.formats.decoding import runs
from deid.formats.looks import findings
from deid.formats.text import hold

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from deid.report import Report

_BLOCK, _OVERLAP = 1 << 22, 1 << 10


def clean(source: Path, target: BinaryIO, context: Context) -> Report:
    """Pass one file, or hold it for what can be read in it."""
    data, work = mapped(source), Work(context)
    if not context.attests("RAW"):
        raise Unreadable("a file of an unknown type: somebody who knows what is in it must vouch for it")
    for at in range(0, len(data), _BLOCK):
        text = runs(bytes(data[at : at + _BLOCK + _OVERLAP]))
        if text:
            hold([each.placed(0) for each in findings(text, tables=False)], work)
    work.keep(data)
    return work.finish(target, ".raw", {"FileType": "RAW"})
