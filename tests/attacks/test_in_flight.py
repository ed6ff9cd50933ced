"""Answers under way at the moment of a revocation: not given after it. Without a kernel, to the instant."""

import errno
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from archimedfs import inodes
from archimedfs.archive import ArchiveOperations
from archimedfs.calling import inline
from archimedfs.kernel.messages import Opcode
from archimedfs.user_roots import Account, UserRoot, UserRoots
from catalog.pure.nodes import ROOT_ID
from tests.archimedfs.kernel import UID, Answer, Kernel, number_of
from tests.builders import BuiltArchive

SERIES = "S1/E1/001_DCM_MR_x"
STRANGERS = [0, 61_002]
_UID_AT = 84  # in the answer to GETATTR


class Shown:
    """A view that does something between its answer and the handler's."""

    def __init__(self, under: "Under") -> None:
        self._under = under

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def asked(*args: Any, **named: Any) -> Any:
            answer = getattr(self._under.view, name)(*args, **named)
            meanwhile, self._under.meanwhile = self._under.meanwhile, lambda: None
            meanwhile()
            return answer

        return asked


class Under:
    """ada's operations; `meanwhile` is done between the catalogue's answer and the handler's."""

    def __init__(self, built: BuiltArchive) -> None:
        self.built = built
        user = built.user("ada")
        self.study = built.study("S1")
        built.grant("ada", "S1")
        built.add_series(SERIES, {"00001.dcm": b"bytes"})
        self.view = built.view("ada")
        self.meanwhile: Callable[[], None] = lambda: None
        self.user_root: UserRoot[Any] = UserRoot(0, user.user_id, "ada", Shown(self), Account(UID, UID))
        user_roots: UserRoots[Any] = UserRoots()
        user_roots.add(self.user_root)
        self.operations = ArchiveOperations(user_roots, inline, None, built.archive.capacity)
        self.kernel = Kernel(self.operations.handlers())

    def revoke(self) -> None:
        self.built.revoke("ada", "S1")
        self.user_root.end(self.study)

    def inode(self, path: str) -> int:
        return inodes.encode(0, self.view.resolve(path).id)


@pytest.fixture
def under(built: BuiltArchive) -> Iterator[Under]:
    made = Under(built)
    with made.kernel:
        yield made
    made.operations.close()


def asks(under: Under, who: int = UID) -> list[Callable[[], Answer]]:
    kernel, file, folder = under.kernel, under.inode(f"{SERIES}/00001.dcm"), under.inode(SERIES)
    return [
        lambda: kernel.ask(Opcode.LOOKUP, folder, b"00001.dcm\0", uid=who),
        lambda: kernel.ask(Opcode.GETATTR, file, bytes(16), uid=who),
        lambda: kernel.ask(Opcode.OPENDIR, folder, bytes(8), uid=who), lambda: kernel.open(file, uid=who),
    ]  # fmt: skip


@pytest.mark.parametrize("which", range(4))
def test_an_answer_that_a_revocation_overtook_is_not_given(under: Under, which: int) -> None:
    ask = asks(under)[which]
    assert ask().error == 0
    under.user_root.doubt()  # so that a file that is held is asked for, too
    under.meanwhile = under.revoke
    assert ask().error == errno.ENOENT


def test_a_listing_that_a_revocation_overtook_is_not_given(under: Under) -> None:
    opened = number_of(asks(under)[2]())
    body = opened.to_bytes(8, "little") + bytes(8) + (4096).to_bytes(4, "little") + bytes(20)
    assert b"00001.dcm" in under.kernel.ask(Opcode.READDIRPLUS, under.inode(SERIES), body).payload
    under.meanwhile = under.revoke
    assert under.kernel.ask(Opcode.READDIRPLUS, under.inode(SERIES), body).error == errno.ENOENT


def test_a_file_that_is_held_is_opened_without_a_question_until_something_is_lost(under: Under) -> None:
    open_ = asks(under)[3]
    assert open_().error == 0
    under.meanwhile = lambda: pytest.fail("the catalogue was asked")
    assert open_().error == 0
    under.meanwhile = lambda: None
    under.revoke()
    assert open_().error == errno.ENOENT


def test_bytes_that_a_revocation_overtook_are_not_given(under: Under, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = number_of(asks(under)[3]())
    assert under.kernel.read(opened).payload == b"bytes"
    plain = os.preadv

    def slowly(*args: Any) -> int:
        try:
            return plain(*args)
        finally:
            under.revoke()

    monkeypatch.setattr(os, "preadv", slowly)
    assert under.kernel.read(opened) == Answer(errno.EACCES, b"")


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_whom_the_kernel_let_pass_are_refused(under: Under, stranger: int) -> None:
    for which, ask in enumerate(asks(under, stranger)):
        answer = ask()
        if which == 1 and stranger:
            # Told truly, so that the kernel refuses by it.
            assert int.from_bytes(answer.payload[_UID_AT : _UID_AT + 4], "little") == UID
        else:
            assert answer.error == errno.EACCES


def test_whoever_walks_by_is_told_the_root(under: Under) -> None:
    answer = under.kernel.ask(Opcode.GETATTR, inodes.encode(0, ROOT_ID), bytes(16), uid=STRANGERS[0])
    assert int.from_bytes(answer.payload[_UID_AT : _UID_AT + 4], "little") == UID
