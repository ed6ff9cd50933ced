"""What an HDF5 file is made of, as the child tells the parent. Data only, and its way through a pipe."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from deid.formats.hdf5 import limits

if TYPE_CHECKING:
    from typing import IO


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a node. `texts`: what it says, if it holds text; `names`: those within its type."""

    name: str
    names: tuple[str, ...]
    texts: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Node:
    """A group or dataset. `editable`: its texts may be replaced by others.

    `is_name`: only a name, of an object that stands elsewhere or of a type; its path and `names` alone count.
    """

    path: str
    is_group: bool
    attributes: tuple[Attribute, ...]
    names: tuple[str, ...] = ()
    texts: tuple[str, ...] | None = None
    editable: bool = False
    is_name: bool = False

    def attribute(self, name: str) -> str:
        """The text of an attribute, or nothing."""
        return next((a.texts[0] for a in self.attributes if a.name == name and a.texts), "")


@dataclass(frozen=True, slots=True)
class Orders:
    """What the child is to write. `texts`: new ones by path; `drop`: attributes by path and name; `needles`: not in samples;
    `attributes`: new texts of attributes by path and name; `gone`: paths of datasets that are left out."""

    texts: dict[str, list[str]]
    drop: list[tuple[str, str]]
    needles: list[tuple[str, str]]
    userblock: int
    attributes: list[tuple[str, str, list[str]]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def node_from(message: dict[str, Any]) -> Node:
    """A node as it came through the pipe."""
    attributes = tuple(
        Attribute(a["name"], tuple(a["names"]), None if a["texts"] is None else tuple(a["texts"]))
        for a in message["attributes"]
    )
    texts = None if message["texts"] is None else tuple(message["texts"])
    return Node(
        message["path"], bool(message["is_group"]), attributes, tuple(message["names"]), texts, bool(message["editable"]),
        bool(message["is_name"]),
    )  # fmt: skip


def orders_from(message: dict[str, Any]) -> Orders:
    """Orders as they came through the pipe."""
    return Orders(
        message["texts"],
        [(p, n) for p, n in message["drop"]],
        [(t, k) for t, k in message["needles"]],
        message["userblock"],
        message["attributes"],
        message["gone"],
    )


def send(stream: IO[bytes], message: object) -> None:
    """Write one message."""
    stream.write(json.dumps(message, default=asdict).encode("ascii") + b"\n")
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Any] | None:
    """Read one message; None if the other side is gone or talks nonsense."""
    line = stream.readline(limits.MESSAGE_BYTES)
    if not line.endswith(b"\n"):
        return None
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
