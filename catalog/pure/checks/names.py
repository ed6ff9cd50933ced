"""Whether a file's original name tells whose it is. Pure; names and identities go in, only yes or no comes out."""

import re
import unicodedata
from collections.abc import Iterable

_SHORTEST_WORD = 4
_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d{2}[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|[12]\d|3[01])[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:19|20)\d{2})(?!\d)"
)
_BETWEEN = re.compile(r"[\W_]+")


def words_of(identities: Iterable[str]) -> frozenset[str]:
    """Return the words of names and numbers that would identify in a file's name."""
    found = (word for identity in identities for word in _BETWEEN.split(_plain(identity)))
    return frozenset(word for word in found if len(word) >= _SHORTEST_WORD)


def identifies(name: str, words: frozenset[str]) -> bool:
    """Whether a name holds one of the words, or what looks like a date."""
    plain = _plain(name)
    return has_date(plain) or not words.isdisjoint(_BETWEEN.split(plain))


def has_date(text: str) -> bool:
    """Whether a text holds what looks like a date."""
    return _DATE.search(text) is not None


def _plain(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c))
