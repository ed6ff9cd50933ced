"""Filters of the role: settings as TOML, which variables nobody knows, what folders lie on, what is beyond what is kept.

No dependency beyond Python.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {
            "archimed_surplus": surplus,
            "archimed_toml": to_toml,
            "archimed_unknown": unknown,
            "archimed_way_to": way_to,
        }


def surplus(folders: Sequence[str], wanted: Sequence[str], most: int) -> list[str]:
    """Return the folders beyond the first `most` (at least one) of `wanted` that are there; what is not wanted goes too."""
    kept = [folder for folder in dict.fromkeys(wanted) if folder in set(folders)][: max(1, most)]
    return sorted(set(folders) - set(kept))


def to_toml(settings: Mapping[str, Any]) -> str:
    """Return sections of settings as TOML; what is a mapping is a section of its own."""
    return "\n".join(_section((), settings)).lstrip("\n") + "\n"


def unknown(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return, for each name that is not known, a sentence that gives the nearest known one."""
    found = []
    for name in sorted(set(names) - set(known)):
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        found.append(f"{name}: unknown variable; the nearest known one is {nearest[0]}")
    return found


def way_to(folders: Sequence[str]) -> list[str]:
    """Return the folders themselves and all above them but the root."""
    found = {str(above) for folder in folders for above in (PurePosixPath(folder), *PurePosixPath(folder).parents)}
    return sorted(found - {"/"})


def _section(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    if path and (plain or not table):
        yield f"\n[{'.'.join(map(_key, path))}]"
    for key, value in plain.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _section((*path, str(key)), value)


def _key(key: object) -> str:
    text = str(key)
    return text if _BARE.fullmatch(text) else _value(text)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    # A JSON string is a basic string of TOML, but for DEL, which only TOML wants escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
