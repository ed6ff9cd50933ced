"""Before and after of one file, on the terminal of who cleaned it. Shows identities: nothing else may call it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydicom.datadict import keyword_for_tag

from deid.engine import safe
from deid.engine.nodes import Element, Sequence, item_path, tag_text
from deid.facts import facts
from gateway.cli.output import print_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from deid import Report
    from deid.engine.nodes import Node

_LONGEST = 60
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN", "AT", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"})


def print_difference(before: Path, after: Path, report: "Report") -> None:
    """Print what changed, tag by tag; for a file that is not DICOM, what was done where."""
    click.echo(f"{_plain(str(before))} -> {after.name}")
    if "SOPClassUID" not in report.headers:
        rows = [{"place": a.path, "action": a.action, "rule": a.rule} for a in report.actions]
        print_records(rows, ("place", "action", "rule"), as_json=False)
        return
    old, new = _read(before), _read(after)
    done = {action.path: f"{action.action} {action.rule}" for action in report.actions}
    rows = [
        {"tag": path, "name": _name(path), "before": old.get(path, ""), "after": new.get(path, ""), "rule": done.get(path, "")}
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]
    print_records(rows, ("tag", "name", "before", "after", "rule"), as_json=False)


def _read(file: Path) -> dict[str, str]:
    nodes, _ = safe.read(file)
    return dict(_values(nodes, facts(nodes).decode))


def _values(nodes: "list[Node]", decode: "Callable[[bytes], str]", prefix: str = "") -> Iterator[tuple[str, str]]:
    for node in nodes:
        if isinstance(node, Sequence):
            for index, item in enumerate(node.items):
                yield from _values(item.nodes, decode, item_path(prefix, node.tag, index))
        elif isinstance(node, Element):
            binary = node.undefined or node.vr in _BINARY
            text = f"{len(node.value)} bytes" if binary else _plain(decode(node.value).rstrip(" \0"))
            yield prefix + tag_text(node.tag), text


def _name(path: str) -> str:
    return keyword_for_tag(path[-10:-1].replace(",", "")) if path.endswith(")") else ""


def _plain(text: str) -> str:
    """Return text without what would steer the terminal, cut to a line."""
    safe = "".join(c if c.isprintable() else "?" for c in text)
    return safe if len(safe) <= _LONGEST else safe[: _LONGEST - 1] + "…"
