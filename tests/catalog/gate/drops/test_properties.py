"""What a client has kept beside a file: it goes where the file goes, and stays out of what is sealed."""

import pytest

from catalog.gate.drops.inbox import Inbox
from catalog.pure.errors import NotFound, OutOfSpace, Refused, Sealed
from tests.catalog.gate.conftest import STUDY, Gate, put

FILE, FOLDER = (STUDY, "E001", "sub", "a"), (STUDY, "E001", "sub")


def test_they_go_where_the_file_goes(inbox: Inbox) -> None:
    put(inbox, "sub/a", b"1")
    assert inbox.properties(FILE) == inbox.properties(FOLDER) == b""
    inbox.set_properties(FILE, b"of the file")
    inbox.set_properties(FOLDER, b"of the folder")
    moved = (STUDY, "E001", "other")
    inbox.rename(FOLDER, moved)
    assert (inbox.properties((*moved, "a")), inbox.properties(moved)) == (b"of the file", b"of the folder")
    inbox.set_properties(moved, b"")
    assert inbox.properties(moved) == b""
    assert not inbox.stat((*moved, "a")).is_unfinished


def test_what_cannot_have_any(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "sub/a", b"1")
    for place in ((), (STUDY,), (STUDY, "E001")):
        assert inbox.properties(place) == b""
        with pytest.raises(Refused):
            inbox.set_properties(place, b"x")
    for act in (inbox.properties, lambda place: inbox.set_properties(place, b"x")):
        with pytest.raises(NotFound):
            act((STUDY, "E001", "nothing"))
        with pytest.raises(NotFound):
            act(("other", "E001", "a"))
    with pytest.raises(OutOfSpace):
        inbox.set_properties(FILE, b"x" * 3_001)
    inbox.set_properties(FILE, b"before")
    gate.review.seal(1)
    with pytest.raises(Sealed):
        inbox.set_properties(FILE, b"after")
    assert inbox.properties(FILE) == b"before"
