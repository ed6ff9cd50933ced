"""A gate with the staging trees of its users."""

from collections.abc import Callable, Iterator

import pytest

from catalog import administration
from catalog.gate.drops.inbox import Inbox
from catalog.gate.drops.inboxes import Inboxes
from catalog.gate.drops.ledger import Limits
from tests.catalog.gate.conftest import STUDY, Gate, gate, intake, staging

__all__ = ["STUDY", "Gate", "gate", "intake", "put", "staging"]


@pytest.fixture
def inboxes(gate: Gate) -> Iterator[Inboxes]:
    opened = Inboxes(gate.database, gate.staging, Limits())
    yield opened
    opened.close()


@pytest.fixture
def inbox_of(gate: Gate, inboxes: Inboxes) -> Callable[[str], Inbox]:
    return lambda login: inboxes.of(administration.principal(gate.database, login))


@pytest.fixture
def inbox(inbox_of: Callable[[str], Inbox]) -> Inbox:
    """Ada's, with an exam begun."""
    found = inbox_of("ada")
    found.make_folder((STUDY, "E001"))
    return found


def put(inbox: Inbox, name: str, content: bytes, exam: str = "E001") -> None:
    """Write a file into an exam, with the folders above it."""
    place = (STUDY, exam, *name.split("/"))
    for depth in range(3, len(place)):
        if place[depth - 1] not in [entry.name for entry in inbox.children(place[: depth - 1])]:
            inbox.make_folder(place[:depth])
    handle = inbox.write(place, create=True)
    handle.write(content, 0)
    handle.close()
