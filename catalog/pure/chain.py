"""The chain of the audit: what an entry's hash covers, and what a broken link means. `docs/audit.md` says the same in words.

An entry's hash covers its own content and the hash of the entry before it: none can be changed, moved, removed or put in
between without every later hash being another.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

START = bytes(32)


def link(previous: bytes, *content: int | str) -> bytes:
    """Return the hash of an entry that follows the one whose hash is `previous` (`START`: it is the first)."""
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(previous + text.encode("ascii")).digest()


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it was found: its number, all of its content (the number first), and the hash that stands in it."""

    number: int
    content: tuple[int | str, ...]
    hash: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at an entry, in words."""

    entry: int
    what: str


def faults(links: Iterable[Link]) -> Iterator[Fault]:
    """Yield where a chain is broken; `links` come in the order of their numbers, from the first."""
    last = Link(0, (), START)
    # Hashes from which the next entry may follow: the one that stands in the last, and the one that should stand there.
    follows = {START}
    before = follows
    for each in links:
        found = {link(previous, *each.content) for previous in follows}
        if each.hash not in found:
            if each.number > last.number + 1:
                yield Fault(each.number, _missing(last.number + 1, each.number - 1))
            elif any(link(previous, *each.content) == each.hash for previous in before):
                yield Fault(last.number, "was put in between: the entry behind it follows the one before it")
            else:
                yield Fault(each.number, _CHANGED)
        before, follows = follows, {each.hash, *found} if each.hash not in found else {each.hash}
        last = each


_CHANGED = "is not what was written here: it was changed or moved, or the one before it was"


def _missing(first: int, last: int) -> str:
    gone = f"entry {first} is" if first == last else f"entries {first} to {last} are"
    return f"does not follow the one before it: {gone} missing"
