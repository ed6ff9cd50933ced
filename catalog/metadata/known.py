"""Which fields can be asked for: those of the catalogue itself, of the file types, and every keyword of DICOM.

Whether anything is kept under a name is not decided here: that a study which is not granted has a field of its
own is nobody's news.
"""

import re
from collections.abc import Iterable
from functools import cache

from catalog.filetypes import Field, file_types
from catalog.filetypes.model import NUMERIC_VRS
from catalog.pure.query import Kind, Known, QueryField

_PRIVATE = re.compile(r"\([0-9A-Fa-f]{4},[0-9A-Fa-fxX]{4}\)@[ -~]{1,64}")
_TAG = re.compile(r"\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)")
_TEXT_VRS = frozenset({"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT", "DT"})
_REAL_VRS = frozenset({"DS", "FD", "FL"})
_SINGLE_VRS = frozenset({"LT", "ST", "UR", "UT"})  # in these a backslash is a character (PS3.5 6.2)
_NOT_KEPT_VRS = frozenset({"SQ", "OB", "OD", "OF", "OL", "OV", "OW", "UN"})

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
    """Return a field by its name in any case, or by its tag; None if nothing can be called so."""
    if _PRIVATE.fullmatch(name):
        place, _, creator = name.partition("@")
        return QueryField(f"{place.upper().replace('X', 'x')}@{creator}", Kind.ANY, multiple=True)
    if (tag := _TAG.fullmatch(name)) is not None and not (name := _keyword(int(tag[1] + tag[2], 16))):
        return None
    key = _OTHER_NAMES.get(name.lower(), name.lower())
    return _by_name().get(key) or _of_dicom(key)


def listed() -> Iterable[QueryField]:
    """Return the fields of the catalogue and of the file types, which are worth a list."""
    return _by_name().values()


def is_always_kept(field: QueryField) -> bool:
    """Whether the catalogue or a file type knows it, of whatever study; all else is kept where a profile says so."""
    return field.name.lower() in _by_name()


def cannot_be_kept(field: QueryField) -> bool:
    """Whether it is a sequence or bytes (PS3.5 6.2), of which nothing is kept whatever a profile says."""
    return _keywords().get(field.name.lower(), ("", ""))[1].split(" or ")[0] in _NOT_KEPT_VRS


@cache
def _by_name() -> dict[str, QueryField]:
    found = {field.name.lower(): field for field in OWN}
    for kind in file_types():
        for field in kind.fields:
            found.setdefault(field.name.lower(), _asked(field))
    return found


def _asked(field: Field) -> QueryField:
    kind = Kind.NUMBER if field.is_number else Kind.DATE if field.vr == "DA" else Kind.TEXT
    whole, multiple = field.is_number and field.vr not in _REAL_VRS, field.vr not in _SINGLE_VRS
    return QueryField(field.name, kind, field.unit, field.meaning, whole, multiple)


@cache
def _keywords() -> dict[str, tuple[str, str]]:
    from pydicom._dicom_dict import DicomDictionary  # late: most questions need none of it

    return {entry[4].lower(): (entry[4], entry[0]) for entry in DicomDictionary.values() if entry[4]}


def _keyword(tag: int) -> str:
    from pydicom.datadict import keyword_for_tag  # late: as above

    return keyword_for_tag(tag)


def _of_dicom(key: str) -> QueryField | None:
    if not key.isidentifier() or key not in _keywords():
        return None
    name, vr = _keywords()[key]
    vr = vr.split(" or ")[0]
    if vr in NUMERIC_VRS:
        return QueryField(name, Kind.NUMBER, whole=vr not in _REAL_VRS, multiple=True)
    kind = Kind.DATE if vr == "DA" else Kind.TEXT if vr in _TEXT_VRS else Kind.ANY
    return QueryField(name, kind, multiple=vr not in _SINGLE_VRS)
