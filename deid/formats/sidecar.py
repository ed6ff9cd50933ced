"""JSON, key by key: what a key means decides what becomes of its value. Sidecars of images come out clean and in use.

Identities go with their keys, dates are moved, UIDs mapped, typed text keeps known words. A text under a key that says nothing
stays if its words are known, or if the profile attests JSON and nothing in it looks like an identity.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal

from deid.errors import Held
from deid.formats.dating import moved
from deid.formats.looks import in_line
from deid.formats.meaning import Meaning, meaning
from deid.rules import ages

if TYPE_CHECKING:
    from collections.abc import Callable

    from deid.formats.base import Work

_DIGITS = re.compile(r"\d{6,}")
_SMALLEST_DATE = 10_000_000
GONE = object()
"""What a value becomes that goes with its key."""


Unknown = Literal["hold", "keep", "drop"]


class _Repeated(Exception):
    """A key stands twice in an object: readers see one of them only."""


def clean(text: str, raw: bytes, work: Work, *, unknown: Unknown | None = None) -> bytes:
    """The clean bytes of a JSON text; `raw` itself if nothing in it had to change.

    `unknown`: what becomes of texts under keys that say nothing, where their words are not known; else the profile decides.
    """
    plain = text.lstrip("\ufeff")
    try:
        value, repeated = json.loads(plain, object_pairs_hook=_unique), False
    except _Repeated:
        value, repeated = json.loads(plain), True
    learn(value, Meaning.UNKNOWN, work)
    new = Sidecar(work, unknown or ("keep" if work.context.attests("JSON") else "hold")).value("", value, Meaning.UNKNOWN)
    if new == value and not repeated and text.isascii():
        return raw
    if new is GONE:
        new = {} if isinstance(value, dict) else []
    if new == value and not repeated:
        return raw
    indent = 2 if "\n" in plain.strip() else None
    return (json.dumps(new, indent=indent, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def learn(value: Any, means: Meaning, work: Work) -> None:
    """Note who a text is about before any of it is cleaned: names come again under other keys."""
    if isinstance(value, dict):
        for key, inner in value.items():
            own = meaning(key)
            learn(inner, means if own is Meaning.UNKNOWN else own, work)
    elif isinstance(value, list):
        for inner in value:
            learn(inner, means, work)
    elif means in (Meaning.PERSON, Meaning.CODE) and isinstance(value, str | int) and not isinstance(value, bool):
        work.know("name" if means is Meaning.PERSON else "code", str(value).encode())


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Repeated
    return made


class Sidecar:
    """The values of one JSON text being cleaned."""

    def __init__(self, work: Work, unknown: Unknown) -> None:
        self._work = work
        self._unknown = unknown
        self.meaning = meaning

    def value(self, key: str, value: Any, means: Meaning) -> Any:
        """A value made clean; `GONE` if it goes."""
        if isinstance(value, dict):
            return self._object(key, value, means)
        if isinstance(value, list):
            kept = [self.value(key, each, means) for each in value]
            return [each for each in kept if each is not GONE] if kept or not value else GONE
        if value is None or isinstance(value, bool):
            return value
        return self._scalar(key, value, means)

    def _object(self, key: str, value: dict[str, Any], means: Meaning) -> Any:
        if means.identifies:
            for inner in value.values():
                self.value(key, inner, means)
            return GONE
        made: dict[str, Any] = {}
        for name, inner in value.items():
            own = meaning(name)
            new = self.value(name, inner, means if own is Meaning.UNKNOWN and not isinstance(inner, dict) else own)
            if new is not GONE:
                made[self._key(name)] = new
        return made

    def _key(self, name: str) -> str:
        """A key that stays: of people's words only where somebody vouches."""
        if list(in_line(name)):
            if self._unknown == "drop":
                return "key"
            self._work.doubt("a key that looks like an identity", "key")
        return name

    def _scalar(self, key: str, value: str | float, means: Meaning) -> Any:
        work, text = self._work, str(value)
        path = key if key.isascii() and key.isidentifier() and meaning(key) is not Meaning.UNKNOWN else "value"
        if means.identifies:
            kind = {Meaning.PERSON: "name", Meaning.BIRTH: "date"}.get(means, "code")
            work.identity(path, kind, _compact(text) if kind == "date" else text.encode(), "key that names an identity")
            return GONE
        handlers: dict[Meaning, Callable[[str, str | float], Any]] = {
            Meaning.DATE: self._date, Meaning.UID: self._uid, Meaning.AGE: self._age, Meaning.TEXT: self._text,
        }  # fmt: skip
        if means in handlers:
            return handlers[means](path, value)
        if not isinstance(value, str):
            return self._number(value, means)
        return self._term(path, value, means)

    def _date(self, path: str, value: str | float) -> Any:
        if not isinstance(value, str):
            new = moved(str(value), self._work, path) if value >= _SMALLEST_DATE and value == int(value) else None
            return int(new) if new else value if value < _SMALLEST_DATE else GONE  # small: a time from some beginning
        return moved(value, self._work, path) or self._text(path, value)

    def _uid(self, path: str, value: str | float) -> Any:
        return self._work.uid(path, str(value))

    def _age(self, path: str, value: str | float) -> Any:
        new = ages.capped_text(str(value).strip())
        if new is None:
            return self._text(path, value) if isinstance(value, str) else GONE
        if new == str(value).strip():
            return value
        self._work.note(path, "C", "age over 89", str(value).encode())
        return new if isinstance(value, str) else 90

    def _text(self, path: str, value: str | float) -> Any:
        if not isinstance(value, str):
            return self._number(value, Meaning.TERM)
        return self._work.text(path, value.encode(), "text of a key").decode("ascii") or GONE

    def _number(self, value: float, means: Meaning) -> Any:
        if isinstance(value, int) and means is Meaning.UNKNOWN and _DIGITS.search(str(value)) and self._unknown != "keep":
            if self._unknown == "drop":
                return GONE
            raise Held("a JSON file with long numbers under keys that say nothing: the profile must attest JSON for it")
        if isinstance(value, int) and list(in_line(str(value))):
            self._work.note("number", "X", "a number that looks like a date", str(value).encode())
            return GONE
        return value

    def _term(self, path: str, value: str, means: Meaning) -> Any:
        if not value.strip():
            return value
        suspicious = list(in_line(value))
        if means is Meaning.TERM and not suspicious and not _DIGITS.search(value) and not self._work.names_somebody(value):
            return value
        if self._work.is_known(value) and not suspicious:
            return value
        if suspicious and self._unknown == "drop":
            return GONE
        if means is Meaning.TERM or self._unknown == "drop":
            return self._work.text(path, value.encode(), "text of a key").decode("ascii") or GONE
        if suspicious:
            self._work.doubt(suspicious[0], "a key that says nothing")
        if self._unknown == "keep":
            return value
        raise Held("a JSON file with text of unknown words under keys that say nothing: the profile must attest JSON for it")


def _compact(text: str) -> bytes:
    return re.sub(r"\D", "", text)[:8].encode()
