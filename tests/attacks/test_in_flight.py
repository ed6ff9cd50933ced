"""Answers under way at the moment of a revocation: not given after it. Without a kernel, to the instant."""

import errno
import os
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pyfuse3
import pytest
import trio

from archimedfs import inodes
from archimedfs.archive import ArchiveOperations
from archimedfs.user_roots import Account, UserRoot, UserRoots
from catalog.pure.nodes import ROOT_ID
from tests.builders import BuiltArchive

SERIES = "S1/E1/001_DCM_MR_x"
OWNER = SimpleNamespace(uid=61_001, pid=os.getpid())
STRANGERS = [SimpleNamespace(uid=0, pid=os.getpid()), SimpleNamespace(uid=61_002, pid=os.getpid())]


class Under:
    """ada's operations; `meanwhile` is done between the catalogue's answer and the handler's."""

    def __init__(self, built: BuiltArchive) -> None:
        self.built = built
        user = built.user("ada")
        self.study = built.study("S1")
        built.grant("ada", "S1")
        built.add_series(SERIES, {"00001.dcm": b"bytes"})
        self.view = built.view("ada")
        self.user_root = UserRoot(0, user.user_id, "ada", self.view, Account(61_001, 61_001))
        user_roots = UserRoots()
        user_roots.add(self.user_root)
        self.meanwhile: Callable[[], None] = lambda: None
        self.operations = ArchiveOperations(user_roots, self._call, built.archive.capacity)

    async def _call(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
        answer = function(*args, **named)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return answer

    def revoke(self) -> None:
        self.built.revoke("ada", "S1")
        self.user_root.end(self.study)

    def inode(self, path: str) -> int:
        return inodes.encode(0, self.view.resolve(path).id)


@pytest.fixture
def under(built: BuiltArchive) -> Iterator[Under]:
    made = Under(built)
    yield made
    made.operations.close()


def asks(under: Under, who: Any) -> list[Callable[[], Any]]:
    operations, file, folder = under.operations, under.inode(f"{SERIES}/00001.dcm"), under.inode(SERIES)
    return [
        lambda: operations.lookup(folder, b"00001.dcm", who), lambda: operations.getattr(file, who),
        lambda: operations.opendir(folder, who), lambda: operations.open(file, 0, who),
    ]  # fmt: skip


@pytest.mark.parametrize("which", range(4))
def test_an_answer_that_a_revocation_overtook_is_not_given(under: Under, which: int) -> None:
    ask = asks(under, OWNER)[which]
    trio.run(ask)
    under.user_root.doubt()  # so that a file that is held is asked for, too
    under.meanwhile = under.revoke
    with pytest.raises(pyfuse3.FUSEError) as caught:
        trio.run(ask)
    assert caught.value.errno == errno.ENOENT


def test_a_file_that_is_held_is_opened_without_a_question_until_something_is_lost(under: Under) -> None:
    open_ = asks(under, OWNER)[3]
    trio.run(open_)
    under.meanwhile = lambda: pytest.fail("the catalogue was asked")
    trio.run(open_)
    under.meanwhile = lambda: None
    under.revoke()
    with pytest.raises(pyfuse3.FUSEError) as caught:
        trio.run(open_)
    assert caught.value.errno == errno.ENOENT


def test_bytes_that_a_revocation_overtook_are_not_given(under: Under) -> None:
    async def overtaken() -> None:
        opened = await under.operations.open(under.inode(f"{SERIES}/00001.dcm"), 0, OWNER)
        reader = under.operations._reader
        plain = reader.read

        async def slowly(*args: Any) -> Any:
            answer = await plain(*args)
            under.revoke()
            return answer

        reader.read = slowly  # type: ignore[method-assign]
        await under.operations.read(opened.fh, 0, 5)

    with pytest.raises(pyfuse3.FUSEError) as caught:
        trio.run(overtaken)
    assert caught.value.errno == errno.EACCES


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_whom_the_kernel_let_pass_are_refused(under: Under, stranger: Any) -> None:
    for which, ask in enumerate(asks(under, stranger)):
        if which == 1 and stranger.uid:
            assert trio.run(ask).st_uid == 61_001  # told truly, so that the kernel refuses by it
            continue
        with pytest.raises(pyfuse3.FUSEError) as caught:
            trio.run(ask)
        assert caught.value.errno == errno.EACCES


def test_whoever_walks_by_is_told_the_root(under: Under) -> None:
    assert trio.run(under.operations.getattr, inodes.encode(0, ROOT_ID), STRANGERS[0]).st_uid == 61_001
