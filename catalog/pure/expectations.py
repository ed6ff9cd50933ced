"""What a study expects of its exams: the ``[expect]`` part of its profile's text, which de-identification leaves alone.

    [expect]
    exam = "E[0-9]{3}"              # a regular expression; the whole exam code must match

    results = "hold"                # results that may say who it is are held, whoever vouches for many at once

    [[expect.series]]
    name = "T1"                     # what messages call it
    match = "*mprage*"              # the series description, with * and ?; case does not count
    modality = "MR"                 # may be left out
    files = 176                     # or [160, 192]; may be left out
    optional = true                 # may be missing; false if left out

Only parsing may live here, and what was parsed. What is made of it is in `catalog.pure.checks.expected`.
"""

import fnmatch
import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_KEYS = ("exam", "results", "series")
_HOLD = "hold"
_SERIES_KEYS = ("name", "match", "modality", "files", "optional")


@dataclass(frozen=True, slots=True)
class ExpectedSeries:
    """A series that each exam should have: from `fewest` to `most` files, None for any number."""

    name: str
    match: str
    modality: str = ""
    fewest: int | None = None
    most: int | None = None
    optional: bool = False

    def fits(self, modality: str, description: str) -> bool:
        """Whether a series of the batch is this one."""
        same = not self.modality or self.modality.casefold() == modality.casefold()
        return same and fnmatch.fnmatchcase(description.casefold(), self.match.casefold())


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a study expects. `exam` '' takes every exam code; `subject` is the profile's pattern of that name, '' for none.

    `holds_results`: a result in which something may identify somebody is held, also when somebody vouches for the batch.
    """

    exam: str = ""
    series: tuple[ExpectedSeries, ...] = ()
    subject: str = ""
    holds_results: bool = False

    def takes(self, exam: str) -> bool:
        """Whether an exam code looks like one of this study's."""
        return not self.exam or re.fullmatch(self.exam, exam) is not None

    def subject_of(self, exam: str) -> str:
        """Return the subject that an exam code stands for, as de-identification reads it (docs/adr/0022), in small letters."""
        found = re.fullmatch(self.subject, exam) if self.subject else None
        return ((found[1] if found else None) or exam).casefold()


@lru_cache(maxsize=64)
def expectations(profile: str | None) -> Expectations:
    """Return what a profile's text says of expectations; None is the default profile, which has none.

    What is wrong with them is for `problems` to say, when the profile is given to its study: here it counts for nothing.
    """
    found, _ = _read(profile or "")
    return found


def problems(profile: str) -> list[tuple[str, str]]:
    """Return all that is wrong with the expectations in a profile's text: the word to look for, and what is wrong."""
    _, wrong = _read(profile)
    return wrong


def _read(text: str) -> tuple[Expectations, list[tuple[str, str]]]:
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return Expectations(), []  # said by whoever reads the rest of the profile
    section = whole.get("expect", {})
    subject = _one_group(whole.get("subject"))
    wrong: list[tuple[str, str]] = []
    if not isinstance(section, dict):
        return Expectations(subject=subject), [("expect", "expect must be a table: [expect]")]
    wrong += [(key, f"unknown key {key!r} in [expect]; there are {', '.join(_KEYS)}") for key in section if key not in _KEYS]
    entries = section.get("series", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        wrong.append(("series", "the expected series must be written as [[expect.series]]"))
        entries = []
    series = tuple(_series(entry, wrong) for entry in entries)
    results = section.get("results", "warn")
    if results not in {"warn", _HOLD}:
        wrong.append(("results", 'results must be "warn" or "hold"'))
    return Expectations(_pattern(section.get("exam", ""), wrong), series, subject, results == _HOLD), wrong


def _one_group(value: Any) -> str:
    """Return the pattern `subject`; '' where it is none, which de-identification says to whoever gives the profile."""
    try:
        return value if isinstance(value, str) and re.compile(value).groups == 1 else ""
    except (re.error, RecursionError, OverflowError):
        return ""


def _pattern(value: Any, wrong: list[tuple[str, str]]) -> str:
    try:
        re.compile(value)
    except (re.error, TypeError, RecursionError, OverflowError):
        wrong.append(("exam", "exam must be a regular expression for the whole exam code, such as 'E[0-9]{3}'"))
        return ""
    return value if isinstance(value, str) else ""


def _series(entry: dict[str, Any], wrong: list[tuple[str, str]]) -> ExpectedSeries:
    known = ", ".join(_SERIES_KEYS)
    wrong += [(key, f"unknown key {key!r} in [[expect.series]]; there are {known}") for key in entry if key not in _SERIES_KEYS]
    texts = {}
    for key in ("name", "match", "modality"):
        texts[key] = entry.get(key, "")
        if not isinstance(texts[key], str):
            wrong.append((key, f"{key} must be text"))
            texts[key] = ""
    if not texts["match"]:
        wrong.append(("match", "an expected series needs match: its description, with * and ?"))
    optional = entry.get("optional", False)
    if not isinstance(optional, bool):
        wrong.append(("optional", "optional must be true or false"))
    fewest, most = _files(entry.get("files"), wrong)
    return ExpectedSeries(texts["name"] or texts["match"], texts["match"], texts["modality"], fewest, most, optional is True)


def _files(value: Any, wrong: list[tuple[str, str]]) -> tuple[int | None, int | None]:
    if value is None:
        return None, None
    pair = value if isinstance(value, list) else [value, value]
    if len(pair) == 2 and all(type(one) is int and one >= 0 for one in pair) and pair[0] <= pair[1]:
        return pair[0], pair[1]
    wrong.append(("files", "files must be a number, or the fewest and the most: [160, 192]"))
    return None, None
