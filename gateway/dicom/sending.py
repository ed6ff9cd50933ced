"""Sending archived files to a node: one association, tried again where the node is away, every file accounted for.

A file that the node refuses for good is not sent again. What it cannot take as it is stored, or in the other uncompressed
little endian syntax, is not converted and not left out silently: it is named with its reason.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from catalog.administration import DicomNode
from catalog.pure.errors import ArchimedError, Unavailable, Unreadable
from catalog.pure.nodes import Node
from catalog.view import View
from gateway.dicom import heads
from gateway.dicom.command import Status
from gateway.dicom.pdu import PeerError
from gateway.dicom.requestor import Requestor
from gateway.dicom.retrieve import data_of, kind_for, proposed_for

PAUSES = (2.0, 10.0, 30.0)
"""Seconds to wait before the second, third and fourth attempt."""

_FINAL = (0x0100, 0x0200), (0xA900, 0xB000), (0xC000, 0xD000)
"""Statuses that will be the same another time: refused by its kind, its class or its content (PS3.4 table B.2-1)."""
_WARNINGS = range(0xB000, 0xC000)


@dataclass(slots=True)
class Receipt:
    """What became of each file: how many the node has, which it has not and why, by place in the archive."""

    sent: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def files_below(view: View, path: str) -> Iterator[tuple[str, Node]]:
    """Yield the files at and below a place, each with its path.

    Raises:
        NotFound, NotADirectory: it is not there.
    """
    node = view.resolve(path)
    clean = "/".join(filter(None, path.split("/")))
    if not node.is_folder:
        yield clean, node
        return
    for child in view.walk(node.id):
        below = f"{clean}/{child.name}" if clean else child.name
        if child.is_folder:
            yield from files_below(view, below)
        else:
            yield below, child


def send(
    view: View,
    files: Sequence[tuple[str, Node]],
    target: DicomNode,
    own_title: str,
    pause: Callable[[float], None],
    on_file: Callable[[int], None] = lambda _done: None,
) -> Receipt:
    """Send files, and return what became of each.

    Args:
        view: whose files they are; each is opened as its user, and counted for the audit.
        files: with their paths, as `files_below` gives them.
        target: where to.
        own_title: our AE title.
        pause: waits so many seconds, before it is tried again.
        on_file: called with how many files are dealt with.
    """
    receipt = Receipt()
    waiting = list(_dicom(view, files, target.name, receipt))
    pauses = iter(PAUSES)
    while waiting:
        before = len(waiting)
        try:
            waiting = _attempt(view, waiting, target, own_title, receipt, lambda: on_file(receipt.sent + len(receipt.failed)))
            why = "the node does not take it now"
        except Unavailable as error:
            why = str(error)
        seconds = next(pauses, None)
        if not waiting or (seconds is None and len(waiting) == before):
            receipt.failed.update(dict.fromkeys((path for path, _, _ in waiting), why))
            return receipt
        pause(seconds if seconds is not None else PAUSES[-1])
    return receipt


_Waiting = tuple[str, Node, tuple[str, str]]


def _dicom(view: View, files: Sequence[tuple[str, Node]], program: str, receipt: Receipt) -> Iterator[_Waiting]:
    """Yield the files that are DICOM, with class and syntax; the others are noted."""
    for path, node in files:
        try:
            with closing(view.open(node.id, program)) as file:
                head = heads.stored(file)
        except Unreadable:
            receipt.failed[path] = "it is not DICOM"
        except ArchimedError as error:
            receipt.failed[path] = str(error)
        else:
            yield path, node, (head.sop_class, head.transfer_syntax)


def _attempt(
    view: View, waiting: Sequence[_Waiting], target: DicomNode, own_title: str, receipt: Receipt, on_file: Callable[[], None]
) -> list[_Waiting]:
    """Send on one association; return what is to be tried again.

    Raises:
        Unavailable: the node takes no association.
    """
    kinds = proposed_for(pair for _, _, pair in waiting)
    association = Requestor(target.host, target.port, target.ae_title, own_title, kinds)
    again: list[_Waiting] = []
    for number, (path, node, pair) in enumerate(waiting):
        try:
            status = _store(view, node, target.name, association)
        except (OSError, PeerError):
            association.abort()
            return [*again, *waiting[number:]]
        except ArchimedError as error:
            receipt.failed[path] = str(error)
            continue
        if status is None:
            receipt.failed[path] = "the node takes this class or transfer syntax not at all"
        elif status == Status.SUCCESS or status in _WARNINGS:
            receipt.sent += 1
        elif any(low <= status < high for low, high in _FINAL):
            receipt.failed[path] = f"the node refuses it for good (0x{status:04X})"
        else:
            again.append((path, node, pair))
        on_file()
    association.release()
    return again


def _store(view: View, node: Node, program: str, association: Requestor) -> int | None:
    with closing(view.open(node.id, program)) as file:
        head = heads.stored(file)
        kind = kind_for(association, head)
        if kind is None:
            return None
        return association.store(kind, head.sop_instance, data_of(file, head, kind.transfer_syntax))
