"""Which fields can be asked for: those of the catalogue itself, of the file types, and every keyword of DICOM.

Whether anything is kept under a name is not told here: that a study which is not granted has a field of its
own is nobody's news.
"""

import re
from collections.abc import Iterable
from functools import cache

from catalog.filetypes import Field, file_types
from catalog.pure.query import Kind, Known, QueryField

_PRIVATE = re.compile(r"\([0-9A-Fa-f]{4},[0-9A-Fa-fx]{4}\)@[ -~]{1,64}")
_TEXT_VRS = frozenset({"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT", "DT"})

OWN = (
    QueryField("study", Kind.TEXT, meaning="study code"),
    QueryField("exam", Kind.TEXT, meaning="exam code"),
    QueryField("series", Kind.TEXT, meaning="name of the series' folder"),
    QueryField("file_type", Kind.TEXT, meaning="e.g. DCM_MR, NIFTI"),
    QueryField("SeriesNumber", Kind.NUMBER, meaning="as published"),
    QueryField("SeriesDescription", Kind.TEXT, meaning="as published"),
    QueryField("size", Kind.NUMBER, "B", "size of the file"),
    QueryField("acquired", Kind.MOMENT, meaning="acquisition of the file as published, that is, shifted"),
    QueryField("added", Kind.MOMENT, meaning="when the file was published"),
)
_OTHER_NAMES = {"acquisitiondatetime": "acquired", "number": "SeriesNumber", "description": "SeriesDescription"}


def known() -> Known:
    """Return the fields for the parser."""
    return Known(find, lambda: [field.name for field in listed()])


def find(name: str) -> QueryField | None:
    """Return a field by its name in any case; None if nothing can be called so."""
    if _PRIVATE.fullmatch(name):
        return QueryField(name, Kind.ANY)
    key = _OTHER_NAMES.get(name.lower(), name.lower())
    return _by_name().get(key) or _of_dicom(key)


def listed() -> Iterable[QueryField]:
    """Return the fields of the catalogue and of the file types, which are worth a list."""
    return _by_name().values()


@cache
def _by_name() -> dict[str, QueryField]:
    found = {field.name.lower(): field for field in OWN}
    for kind in file_types():
        for field in kind.fields:
            found.setdefault(field.name.lower(), _asked(field))
    return found


def _asked(field: Field) -> QueryField:
    kind = Kind.NUMBER if field.is_number else Kind.DATE if field.vr == "DA" else Kind.TEXT
    return QueryField(field.name, kind, field.unit, field.meaning)


@cache
def _keywords() -> dict[str, tuple[str, str]]:
    from pydicom._dicom_dict import DicomDictionary  # late: most questions need none of it

    return {entry[4].lower(): (entry[4], entry[0]) for entry in DicomDictionary.values() if entry[4]}


def _of_dicom(key: str) -> QueryField | None:
    if not key.isidentifier() or key not in _keywords():
        return None
    name, vr = _keywords()[key]
    if vr == "DA":
        return QueryField(name, Kind.DATE)
    return QueryField(name, Kind.TEXT if vr in _TEXT_VRS else Kind.ANY)
