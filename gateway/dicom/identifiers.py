"""Identifiers of queries: data sets on the wire <-> `catalog.retrieve.Query` and values by keyword. No I/O, no rule.

Read and written with pydicom, whose warnings quote values: nothing of it is logged.
"""

import io
from collections.abc import Mapping, Sequence

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_dict
from pydicom.uid import UID
from pynetdicom import dsutils

from catalog.filetypes.part10 import quietly
from catalog.pure.errors import Invalid
from catalog.retrieve import Level, Query
from catalog.retrieve.matching import Key

LONGEST = 1 << 20
"""Bytes an identifier may have; one that names 10,000 UIDs has some 600 kB."""

_LEVEL, _CHARACTERS = "QueryRetrieveLevel", "SpecificCharacterSet"
_NO_KEYS = frozenset({_LEVEL, _CHARACTERS, "RetrieveAETitle", "InstanceAvailability", "TimezoneOffsetFromUTC"})


def read(data: bytes, transfer_syntax: str) -> Query:
    """Return the query that an identifier is.

    Raises:
        Invalid: it cannot be read, or has no level.
    """
    try:
        with quietly():
            found = decoded(data, transfer_syntax)
            keys = {element.keyword: Key(element.VR, texts(element.VR, element.value)) for element in found if element.keyword}
            level = keys.pop(_LEVEL).wanted[0]
            return Query(Level(level.strip().upper()), keys)
    except Exception:  # noqa: BLE001 - pydicom lets out whatever the bytes provoke, and its text quotes them
        raise Invalid("the identifier cannot be read, or names no level") from None


def decoded(data: bytes, transfer_syntax: str) -> Dataset:
    """Return the data set that bytes are; raises whatever they provoke."""
    syntax = UID(transfer_syntax)
    return dsutils.decode(io.BytesIO(data), syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)


def texts(vr: str, value: object) -> tuple[str, ...]:
    """Return an element's values as text, without empty ones; a sequence has none."""
    if vr == "SQ" or value is None:
        return ()
    values = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
    return tuple(text for each in values if (text := str(each).strip()))


def is_key(keyword: str) -> bool:
    """Whether an attribute of an identifier asks for something, and does not say how it is meant."""
    return keyword not in _NO_KEYS


def write(query: Query, values: Mapping[str, Sequence[str]], own_title: str, transfer_syntax: str) -> bytes:
    """Return the identifier of an answer: the attributes that were asked for, empty where nothing is known, and the level.

    Args:
        query: what was asked.
        values: what is known, by keyword.
        own_title: where it can be retrieved from.
        transfer_syntax: how it is encoded.
    """
    answer = Dataset()
    with quietly():
        for keyword in query.keys:
            if is_key(keyword) and keyword in keyword_dict:
                _set(answer, keyword, values.get(keyword, ()))
        answer.QueryRetrieveLevel = query.level.value
        answer.RetrieveAETitle = own_title
        if "InstanceAvailability" in query.keys:
            answer.InstanceAvailability = "ONLINE"
        if any(not text.isascii() for texts in values.values() for text in texts):
            answer.SpecificCharacterSet = "ISO_IR 192"
        return encoded(answer, transfer_syntax)


def failed(instances: Sequence[str], transfer_syntax: str) -> bytes:
    """Return the identifier that names what could not be sent (PS3.4 C.4.2.1.4.2); b"" for nothing."""
    if not instances:
        return b""
    answer = Dataset()
    with quietly():
        answer.FailedSOPInstanceUIDList = list(instances)
        return encoded(answer, transfer_syntax)


def encoded(dataset: Dataset, transfer_syntax: str) -> bytes:
    """Return a data set's bytes.

    Raises:
        Invalid: it cannot be written.
    """
    syntax = UID(transfer_syntax)
    data = dsutils.encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    if data is None:
        raise Invalid("a data set cannot be written")
    return bytes(data)


def _set(answer: Dataset, keyword: str, values: Sequence[str]) -> None:
    vr = dictionary_VR(keyword)
    if vr == "SQ":
        setattr(answer, keyword, [])
        return
    if vr in {"US", "UL", "SS", "SL", "US or SS"}:
        numbers = [int(float(value)) for value in values]
        setattr(answer, keyword, (numbers[0] if len(numbers) == 1 else numbers) if numbers else None)
    elif vr in {"FL", "FD"}:
        floats = [float(value) for value in values]
        setattr(answer, keyword, (floats[0] if len(floats) == 1 else floats) if floats else None)
    elif vr in {"OB", "OW", "OF", "OD", "OL", "OV", "UN", "AT", "OB or OW"}:
        return
    else:
        setattr(answer, keyword, (values[0] if len(values) == 1 else list(values)) if values else None)
