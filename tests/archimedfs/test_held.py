"""Descriptors that stay open: shared, bounded, never closed under a reader, and never handed out after a loss."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from archimedfs import held as module
from archimedfs.held import Held, HeldFiles
from archimedfs.user_roots import Account, UserRoot
from catalog.audit import Face, Reader, Reads
from catalog.pure.nodes import Kind, Node, NodeId
from catalog.store.local import LocalReader
from catalog.view import OpenFile

STUDIES = (1, 2)


def make(folder: Path, row: int) -> OpenFile:
    path = folder / str(row)
    path.write_bytes(b"%d" % row)
    stored = LocalReader(os.open(path, os.O_RDONLY), fresh=False)
    node = Node(NodeId(Kind.FILE, row), str(row), 0, 0, len(str(row)), study=STUDIES[row % 2])
    return OpenFile(node, stored.fd, stored, Reader("ada", "", Face.MOUNT, "cat", 7), Reads())


class Holding(RuleBasedStateMachine):
    """Programs that open and close, while grants end; what is open is known from the outside."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.root = UserRoot(0, 1, "ada", None, Account(1, 1))
        self.files = HeldFiles(most_idle=2)
        self.opened: list[tuple[Held, int]] = []

    @rule(row=st.integers(1, 5))
    def open(self, row: int) -> None:
        held = self.files.again(self.root, row)
        if held is None:
            held = self.files.hold(self.root, row, make(Path(self.folder.name), row))
        assert held.epoch == self.root.epoch
        assert not held.lease.is_over
        self.opened.append((held, row))

    @precondition(lambda self: self.opened)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        held, _ = self.opened.pop(data.draw(st.integers(0, len(self.opened) - 1)))
        self.files.release(held)

    @rule(study=st.sampled_from(STUDIES))
    def end(self, study: int) -> None:
        self.root.end(study)

    @rule()
    def forget(self) -> None:
        self.files.forget()

    @invariant()
    def whoever_has_it_open_can_read_it(self) -> None:
        for held, row in getattr(self, "opened", []):
            assert held.file.read_at(0, 9) == b"%d" % row

    @invariant()
    def no_more_is_open_than_is_used_and_two(self) -> None:
        if hasattr(self, "files"):
            assert len(self.files) <= len({id(held) for held, _ in self.opened}) + 2

    def teardown(self) -> None:
        if hasattr(self, "files"):
            self.files.close()
            assert len(self.files) == 0
            self.folder.cleanup()


def test_whatever_is_opened_closed_and_revoked() -> None:
    run_state_machine_as_test(Holding, settings=settings(max_examples=30, stateful_step_count=20, deadline=None))


@pytest.fixture
def one(tmp_path: Path) -> Iterator[tuple[HeldFiles, UserRoot[None], Callable[[], OpenFile]]]:
    files = HeldFiles()
    yield files, UserRoot(0, 1, "ada", None, Account(1, 1)), lambda: make(tmp_path, 3)
    files.close()


def test_what_is_old_is_asked_for_again(
    one: tuple[HeldFiles, UserRoot[None], Callable[[], OpenFile]], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, root, opened = one
    first = files.hold(root, 3, opened())
    assert files.again(root, 3) is first
    monkeypatch.setattr(module, "HELD_SECONDS", -1.0)
    assert files.again(root, 3) is None
    second = files.hold(root, 3, opened())
    assert first.file.read_at(0, 1) == second.file.read_at(0, 1) == b"3", "the former one's users have it still"


def test_only_what_nobody_uses_is_closed(one: tuple[HeldFiles, UserRoot[None], Callable[[], OpenFile]]) -> None:
    files, root, opened = one
    held = files.hold(root, 3, opened())
    files.forget()
    assert held.file.read_at(0, 1) == b"3"
    files.release(held)
    files.forget(older_than=held.since)
    assert len(files) == 1
    files.forget()
    assert len(files) == 0


def test_each_opening_is_counted_as_of_its_own_program(tmp_path: Path) -> None:
    reads = Reads()
    opened = make(tmp_path, 3)
    shared = OpenFile(opened.node, opened.fd, opened._bytes, opened._reader, reads)
    shared.again("freeview")(10)
    shared.again("fsleyes")(20)
    assert {(reader.program, tally.files, tally.bytes) for reader, tally in reads.take().items()} == {
        ("freeview", 1, 10), ("fsleyes", 1, 20),
    }  # fmt: skip
    opened.close()
