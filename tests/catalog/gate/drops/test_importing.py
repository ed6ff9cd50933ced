"""Files of this machine on their way into an inbox: whole, once, and again where it was cut short."""

import io
import os
from pathlib import Path

import pytest

from catalog.gate.drops import importing
from catalog.gate.drops.inbox import Inbox
from catalog.pure.errors import Invalid, OutOfSpace, Refused, Sealed
from tests.catalog.gate.conftest import STUDY, Gate, gate, inbox, inbox_of, inboxes, intake, staging

__all__ = ["gate", "inbox", "inbox_of", "inboxes", "intake", "staging"]

EXAM = (STUDY, "E001")


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    (folder / "sub" / "deeper").mkdir(parents=True)
    for number, name in enumerate(("a", "sub/b", "sub/deeper/c", "sub/\udcff latin")):
        (folder / name).write_bytes(bytes([number]) * number)
        os.utime(folder / name, ns=(1_200_000_000_000_000_000 + number,) * 2)
    return folder


def bring(inbox: Inbox, folder: Path) -> int:
    return importing.bring(inbox, EXAM, list(importing.below(folder)), lambda _done: None)


def content(inbox: Inbox, *names: str) -> bytes:
    reading = inbox.open((*EXAM, *names))
    try:
        return os.read(reading.fd, 100)
    finally:
        reading.close()


def test_a_tree_comes_with_names_and_times_and_once(inbox: Inbox, stick: Path) -> None:
    assert bring(inbox, stick) == 4
    assert content(inbox, "sub", "deeper", "c") == b"\2\2"
    assert content(inbox, "sub", "\udcff latin") == b"\3\3\3"
    assert inbox.stat((*EXAM, "sub", "b")).mtime_ns == 1_200_000_000_000_000_001
    assert bring(inbox, stick) == 0
    (stick / "a").write_bytes(b"new")
    assert bring(inbox, stick) == 1
    assert content(inbox, "a") == b"new"


def test_what_was_cut_short_goes_on(inbox: Inbox, stick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    real = Inbox.upload

    def full(self: Inbox, place: tuple[str, ...]) -> object:
        if len(taken) == 2:
            raise OutOfSpace("full")
        taken.append(place)
        return real(self, place)

    with monkeypatch.context() as patched:
        patched.setattr(Inbox, "upload", full)
        with pytest.raises(OutOfSpace):
            bring(inbox, stick)
    assert bring(inbox, stick) == 2


def test_what_cannot_be_read_leaves_nothing_and_tells_no_name(inbox: Inbox, stick: Path) -> None:
    listed = list(importing.below(stick))
    (stick / "sub" / "b").unlink()
    with pytest.raises(Refused, match="file 2 of 4 cannot be read: No such file") as caught:
        importing.bring(inbox, EXAM, listed, lambda _done: None)
    assert "sub" not in str(caught.value)
    with pytest.raises(Invalid, match="no file"):
        importing.bring(inbox, EXAM, [], lambda _done: None)


def test_a_file_that_changes_while_it_is_read_does_not_count(inbox: Inbox, stick: Path) -> None:
    class Growing(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            found = super().read(size)
            with (stick / "a").open("ab") as grown:
                grown.write(b"more")
            return found if self.tell() < 20 else b""

    (stick / "a").write_bytes(b"begun")
    with Growing(stick / "a") as source, pytest.raises(Exception):  # noqa: B017, PT011 - translated by its caller
        importing.put(inbox, (*EXAM, "a"), source)  # type: ignore[arg-type] # as far as it is used
    assert inbox.children(EXAM) == []


def test_what_is_sealed_is_not_brought_again_nor_replaced(gate: Gate, inbox: Inbox, stick: Path) -> None:
    bring(inbox, stick)
    gate.review.seal(inbox.batch(EXAM))
    assert bring(inbox, stick) == 0
    assert [info.state for info in gate.review.list()] == ["sealed"], "no new batch for what is there"
    (stick / "a").write_bytes(b"other")
    with pytest.raises(Sealed):
        bring(inbox, stick)
    (stick / "a").unlink()
    (stick / "late").write_bytes(b"late")
    assert bring(inbox, stick) == 1
    assert [info.state for info in gate.review.list()] == ["sealed", "open"]
