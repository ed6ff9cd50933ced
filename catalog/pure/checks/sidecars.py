"""Whether the JSON that programs lay beside images (dcm2niix, BIDS) says whose they are. Pure; keys come out, values never."""

import json
from collections.abc import Iterator

from catalog.pure.checks.names import has_date

LARGEST = 1 << 20
_MOST_VALUES = 100_000
_PEOPLE = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientBirthTime", "PatientAddress", "PatientTelephoneNumbers",
    "OtherPatientIDs", "OtherPatientNames", "IssuerOfPatientID", "ReferringPhysicianName", "PerformingPhysicianName",
    "OperatorsName", "AccessionNumber", "InstitutionAddress",
)  # fmt: skip
_DATES = (
    "StudyDate", "SeriesDate", "AcquisitionDate", "AcquisitionDateTime", "ContentDate", "InstanceCreationDate",
    "PerformedProcedureStepStartDate",
)  # fmt: skip
_KNOWN = {name.casefold(): name for name in (*_PEOPLE, *_DATES)}
_OTHERS = "dates elsewhere"


def is_of_person(key: str) -> bool:
    """Whether something that `identifying_keys` returned tells a person, not a day."""
    return key in _PEOPLE


def identifying_keys(text: bytes, exam: str) -> list[str]:
    """Return which values of a JSON text may identify somebody: names of DICOM keys, and whether there are dates elsewhere.

    A name or number that is the exam's code identifies nobody.

    Args:
        text: of a file; anything that is no JSON, or too much of it, says nothing here.
    """
    if len(text) > LARGEST:
        return []
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return []
    found: dict[str, None] = {}
    for count, (key, value) in enumerate(_values(tree)):
        if count >= _MOST_VALUES:
            break
        known = _KNOWN.get(key.casefold())
        said = str(value).strip()
        if known is not None and said not in {"", exam}:
            found[known] = None
        elif known is None and isinstance(value, str) and has_date(said):
            found[_OTHERS] = None
    return list(found)


def _values(tree: object) -> Iterator[tuple[str, object]]:
    """Yield each value that holds no others, with the key that leads to it."""
    waiting: list[tuple[str, object]] = [("", tree)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += reversed(value.items())
        elif isinstance(value, list):
            waiting += [(key, one) for one in reversed(value)]
        elif value is not None:
            yield key, value
