"""QIDO-RS (PS3.18 10.6): the parameters of a URL become a query of `catalog.retrieve`, its answers JSON.

What matches is one thing with C-FIND. Answers are bounded, and say so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from catalog.database import Database
from catalog.pure.errors import ArchimedError, Invalid, Unavailable
from catalog.retrieve import Instance, Level, Query, Scope, search
from catalog.retrieve.matching import Key
from catalog.view import View
from gateway.dicomweb import model
from gateway.dicomweb.headers import SHORT, Headers, texts

MOST_ANSWERS = 10_000
_LONGEST_VALUE = 64 * 1024
_NO_KEYS = frozenset({"limit", "offset", "includefield", "fuzzymatching", "accept", "charset", "emptyvaluematching"})

_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
_STUDY = (
    "StudyDate", "StudyTime", "AccessionNumber", "InstanceAvailability", "ModalitiesInStudy", "ReferringPhysicianName",
    *_PATIENT, "StudyInstanceUID", "StudyID", "StudyDescription", "IssuerOfPatientID", "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
)  # fmt: skip
_SERIES = (
    "Modality", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "NumberOfSeriesRelatedInstances",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime",
)  # fmt: skip
_INSTANCE = SHORT
_ALWAYS = {
    Level.STUDY: _STUDY, Level.SERIES: ("StudyInstanceUID", *_SERIES),
    Level.IMAGE: ("StudyInstanceUID", "SeriesInstanceUID", "Modality", *_INSTANCE),
}  # fmt: skip
_ABOVE = {Level.STUDY: (), Level.SERIES: _STUDY, Level.IMAGE: (*_STUDY, *_SERIES)}
_NEVER = frozenset({"AvailableTransferSyntaxUID"})
_KNOWN = frozenset({*_STUDY, *_SERIES, *_INSTANCE})
Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A search: its query, what its answers shall hold, how many at most, how many are passed over, and what was overlooked."""

    query: Query
    shown: tuple[str, ...]
    everything: bool
    limit: int
    offset: int
    warnings: tuple[str, ...]


def asked(level: Level, parameters: Sequence[tuple[str, str]], path: Mapping[str, str]) -> Asked:
    """Return the search that a URL asks for.

    Args:
        level: what is searched.
        parameters: of the query.
        path: unique keys that the path names, by keyword.

    Raises:
        Invalid: a parameter cannot be used.
    """
    keys: dict[str, Key] = {}
    shown = [*_ALWAYS[level]]
    if not path:
        shown += [keyword for keyword in _ABOVE[level] if level is not Level.IMAGE or keyword not in shown]
    everything, limit, offset = False, MOST_ANSWERS, 0
    warnings: list[str] = []
    for name, value in parameters:
        if name == "limit":
            limit = _number(name, value)
        elif name == "offset":
            offset = _number(name, value)
        elif name == "includefield":
            for field in value.split(","):
                everything |= field == "all"
                shown += [] if field == "all" else [_keyword(field)]
        elif name == "fuzzymatching":
            if value.lower() == "true":
                warnings.append("fuzzymatching is not done here: values are compared literally")
        elif name not in _NO_KEYS:
            keyword = _keyword(name)
            keys[keyword] = _key(keyword, value)
            shown.append(keyword)
    keys.update({keyword: _key(keyword, value) for keyword, value in path.items()})
    # What is shown is asked for, too, so that it is found out.
    keys = {keyword: Key(model.vr_of(keyword)) for keyword in shown} | keys
    return Asked(
        Query(level, keys), tuple(dict.fromkeys(shown)), everything, min(limit, MOST_ANSWERS), offset, tuple(warnings)
    )  # fmt: skip


def _number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise Invalid(f"{name} is a number")
    return int(value)


def _keyword(name: str) -> str:
    """Return the keyword of an attribute that is named by keyword, by tag, or within sequences: then that of the outermost."""
    first = name.partition(".")[0]
    if len(first) == 8 and all(digit in "0123456789abcdefABCDEF" for digit in first):
        keyword = keyword_for_tag(int(first, 16))
    else:
        keyword = first if tag_for_keyword(first) is not None else ""
    if not keyword:
        raise Invalid("an attribute is named by its DICOM keyword or by eight hexadecimal digits")
    return keyword


def _key(keyword: str, value: str) -> Key:
    if len(value) > _LONGEST_VALUE:
        raise Invalid(f"the value of {keyword} is too long")
    vr = model.vr_of(keyword)
    values = (value.replace(",", "\\") if vr == "UI" else value).split("\\")
    return Key(vr, tuple(text for each in values if (text := each.strip())))


@dataclass(frozen=True, slots=True)
class Found:
    """What a search finds: JSON objects, and whether there is more than was asked for."""

    objects: list[dict[str, Any]]
    more: bool


class Searches:
    """Searching. One a process, shared by its threads.

    Args:
        database: the catalogue.
        headers: of instances.
    """

    def __init__(self, database: Database, headers: Headers) -> None:
        self._database = database
        self._headers = headers

    def find(self, wanted: Asked, scope: Scope, view: View, program: str, base: str) -> Found:
        """Return what answers a search.

        Args:
            wanted: the search.
            scope: who asks.
            view: opens instances as that user.
            program: what opens them, for the audit.
            base: the URL of the service, for `RetrieveURL`.

        Raises:
            Unavailable: it cannot be found out now.
        """
        matches = self._matches(wanted, scope, view, program)
        page = list(islice(matches, wanted.offset, wanted.offset + wanted.limit + 1))
        made = _Objects(wanted, base)
        return Found([made.of(*match) for match in page[: wanted.limit]], len(page) > wanted.limit)

    def _matches(self, wanted: Asked, scope: Scope, view: View, program: str) -> Iterator[tuple[Values, Values]]:
        """Yield what is known of each match from the catalogue, and from its file."""
        for answer in search(self._database, scope, wanted.query):
            own = {} if answer.instance is None else self._header(wanted, answer.values, answer.instance, view, program)
            if own is not None and wanted.query.matches(own):
                yield answer.values, own

    def _header(self, wanted: Asked, above: Values, instance: Instance, view: View, program: str) -> Values | None:
        try:
            # What has to be compared, or was asked for by name, is looked for in the file if the catalogue does not have it.
            sought = {keyword for keyword, key in wanted.query.keys.items() if key.wanted or keyword not in _KNOWN}
            if not wanted.everything and sought <= above.keys() | frozenset(SHORT):
                return self._headers.short(view, instance, program)
            header = self._headers.values(view, instance, program)
        except Unavailable:
            raise
        except ArchimedError:
            return None  # one file that cannot be read is no answer
        return texts(header, _all_of(header) if wanted.everything else tuple(wanted.query.keys))


class _Objects:
    """Makes the JSON objects of one search. Those of a series share what the catalogue knows, which is made once."""

    def __init__(self, wanted: Asked, base: str) -> None:
        self._wanted = wanted
        self._base = base
        self._above: Values | None = None
        self._shared: dict[str, Any] = {}
        self._url = ""

    def of(self, above: Values, own: Values) -> dict[str, Any]:
        """Return the object of a match."""
        level = self._wanted.query.level
        if above is not self._above:
            known = {**above, "InstanceAvailability": ("ONLINE",)}
            keywords = self._keywords(known)
            mine = [keyword for keyword in keywords if keyword in known or level is not Level.IMAGE]
            self._above, self._shared = above, model.answer(known, mine)
            self._url = _address(self._base, min(level, Level.SERIES, key=list(Level).index), above)
        found = dict(self._shared)
        url = self._url
        if level is Level.IMAGE:
            rest = [keyword for keyword in self._keywords(own) if keyword not in above and keyword != "InstanceAvailability"]
            found |= model.answer(own, rest)
            url += f"/instances/{own.get('SOPInstanceUID', ('',))[0]}"
        found["00081190"] = {"vr": "UR", "Value": [url]}
        return dict(sorted(found.items()))

    def _keywords(self, known: Values) -> list[str]:
        wanted = self._wanted
        keywords = dict.fromkeys([*wanted.shown, *known]) if wanted.everything else wanted.shown
        return [keyword for keyword in keywords if keyword not in _NEVER and _is_told(keyword, wanted, known)]


def _is_told(keyword: str, wanted: Asked, known: Mapping[str, Sequence[str]]) -> bool:
    """Whether an attribute is told: of the optional ones of series and instances, those that have a value."""
    return bool(known.get(keyword)) or keyword in _STUDY or (keyword in wanted.query.keys and keyword not in _INSTANCE)


def _all_of(header: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(keyword for tag in header if (keyword := keyword_for_tag(int(tag, 16))))


def _address(base: str, level: Level, values: Mapping[str, Sequence[str]]) -> str:
    names = (("studies", "StudyInstanceUID"), ("series", "SeriesInstanceUID"))
    depth = {Level.STUDY: 1, Level.SERIES: 2}[level]
    return base + "".join(f"/{name}/{values.get(keyword, ('',))[0]}" for name, keyword in names[:depth])


def below(level: Level, path: Mapping[str, str]) -> Query:
    """Return the query for all instances of a study, series or instance that a path names."""
    return replace(Query(level, {}), keys={keyword: Key("UI", (value,)) for keyword, value in path.items()})
