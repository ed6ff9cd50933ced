"""The Phoenix protocol: nested ``<XProtocol>`` parameters, then lines of ``name = value`` between ``### ASCCONV`` marks.

Read by an allow-list: marks, parameter names and numbers stay, texts keep words of the vocabulary, UIDs are mapped, and
whatever has no such shape becomes blanks. Every replacement is as long as what it replaces, filled up behind closing quotes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from deid.csa.words import DAY, UID, ids_mapped, is_personal, text_cleaned
from deid.rules.vocabulary import fold

if TYPE_CHECKING:
    from deid.rules.values import Values

_REMEMBERED = 8
_START = re.compile(rb"\s*(?:<XProtocol>|### ASCCONV BEGIN)")
_SECTION = re.compile(r"(### ASCCONV BEGIN[^\n]*)(.*?)(### ASCCONV END ###)", re.DOTALL)
_BEGIN = re.compile(
    r"### ASCCONV BEGIN(?: object=[A-Za-z@]{1,40} version=\d{1,10} converter=%MEASCONST%[A-Za-z_/.]{1,60})? ###[\s\"]*"
)
_LINE = re.compile(r"([ \t]*)([A-Za-z_][\w.\[\]]{0,127})([ \t]*=[ \t]*)(.*)")
_NUMBER = re.compile(r"(0x[0-9a-fA-F]{1,16}|[+\-]?\d+(?:\.\d*)?(?:[eE][+\-]?\d+)?)([ \t\r]*)")
_QUOTED = re.compile(r"(\"+)([^\"\n]*)(\"+)([ \t\r]*)")
_TOKEN = re.compile(
    r"(?P<name><[A-Za-z][A-Za-z0-9_]{0,39}(?:\.\"*(?P<inner>[A-Za-z0-9_.]{0,64})\"*)?>)"
    r"|(?P<text>\"+[^\"\n]+\"+)"
    r"|(?P<number>(?<![\w.])[+\-]?\d+(?:\.\d*)?(?:[eE][+\-]?\d+)?(?![\w.]))"
    r"|(?P<plain>[\s{}]+|\"+)"
    r"|(?P<other>.)",
    re.DOTALL,
)


def recognised(value: bytes) -> bool:
    """Whether a value is such a text."""
    return _START.match(value) is not None


def clean(value: bytes, values: Values) -> bytes:
    """The protocol without identities, as long as it was. The files of a series have it in common, so it is remembered."""
    memo, key = values.mapping.memo, (value, values.words, values.known)
    found = memo.get(key) if value.isascii() else None  # else it would depend on the file's character set as well
    if found is None:
        apart = replace(values, ledger=type(values.ledger)())
        found = _cleaned(value, apart), frozenset(apart.ledger.uids)
        if value.isascii():
            if len(memo) >= _REMEMBERED:
                memo.clear()
            memo[key] = found
    values.ledger.uids.update(found[1])
    return found[0]


def _cleaned(value: bytes, values: Values) -> bytes:
    text, ended, _ = value.partition(b"\0")
    decoded = text.decode("latin-1")
    out, at = [], 0
    for section in _SECTION.finditer(decoded):
        out.append(_parameters(decoded[at : section.start()], values))
        begin = section[1]
        out.append(begin if _BEGIN.fullmatch(begin) else "### ASCCONV BEGIN ###".ljust(len(begin))[: len(begin)])
        out.extend(_line(line, values) for line in section[2].splitlines(keepends=True))
        out.append(section[3])
        at = section.end()
    out.append(_parameters(decoded[at:], values))
    return "".join(out).encode("latin-1").ljust(len(value), b"\0" if ended else b" ")


def _line(line: str, values: Values) -> str:
    """One assignment; blanks if it is none."""
    body = line.rstrip("\r\n")
    found = _LINE.fullmatch(body)
    if not found or _names_someone(found[2], values):
        return " " * len(body) + line[len(body) :]
    return found[1] + found[2] + found[3] + _value(found[2], found[4], values) + line[len(body) :]


def _value(name: str, value: str, values: Values) -> str:
    """The right side of an assignment: a number or one quoted text; a comment behind it goes."""
    if number := _NUMBER.match(value):
        kept = "0" if is_personal(name) or DAY.fullmatch(number[1]) else number[1]
        follows = value[number.end() :]
        return kept.ljust(len(value)) if not follows or follows.startswith("#") else " " * len(value)
    if quoted := _QUOTED.match(value):
        return _quoted(name, quoted[1] + quoted[2] + quoted[3], values).ljust(len(value))
    return " " * len(value)


def _quoted(name: str, token: str, values: Values) -> str:
    """A text in its quotes, cleaned, with blanks behind them for what went."""
    inner = token.strip('"')
    head = len(token) - len(token.lstrip('"'))
    tail = token[head + len(inner) :]
    raw = inner.encode("latin-1")
    if is_personal(name):
        kept = b""
    elif UID.fullmatch(inner.strip()):
        kept = ids_mapped(raw, len(raw), values)
    else:
        kept = text_cleaned(name, raw, values)
    return (token[:head] + kept.decode("latin-1") + tail).ljust(len(token))


def _parameters(text: str, values: Values) -> str:
    """The nested part: each token by itself; a number or text belongs to the parameter named last.

    Numbers behind a word that has no place there are part of a sentence, and go with it.
    """
    out: list[str] = []
    named, astray = "", False
    for token in _TOKEN.finditer(text):
        whole = token[0]
        astray = not token["name"] and (bool(token["other"]) or (astray and not set(whole) & set("{}\n")))
        if token["name"]:
            inner = token["inner"]
            if inner and _names_someone(inner, values):
                out.append(" " * len(whole))
                continue
            named = inner or named
            out.append(whole)
        elif token["text"]:
            out.append(_quoted(named, whole, values))
        elif token["number"]:
            goes = astray or is_personal(named) or DAY.fullmatch(whole)
            out.append((" " if astray else "0").ljust(len(whole)) if goes else whole)
        else:
            out.append(whole if token["plain"] else " ")
    return "".join(out)


def _names_someone(name: str, values: Values) -> bool:
    """Whether a parameter's name is one of the file's own identities."""
    return any(fold(part) in values.known for part in re.split(r"[.\[\]_]+", name))
