"""What a tree is: an arrangement of archived files as folders, as one principal may see it. Faces show trees.

The studies are one (`catalog.view.study_tree`), and others may stand beside them. To add one, write a class with these methods,
let `catalog.view.testing` run on it, and name it in `gateway/wiring.py`. May live here: the Protocol and what it gives.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from catalog.audit import Reader, Reads
from catalog.pure.errors import Damaged
from catalog.pure.nodes import ROOT_ID, Node, NodeId
from catalog.store import ObjectReader

PAGE = 1000


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An archived file, open for reading: the caller's to close, and what is given to others the caller's to count.

    Its bytes are had by range, from any thread. `fd` is the fast path: a descriptor, for sendfile(2) and preadv(2), where the
    store has one, else None. `close` closes it.
    """

    node: Node
    fd: int | None
    _bytes: ObjectReader
    _reader: Reader
    _reads: Reads | None

    def read_at(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset`, fewer only at the end of the file.

        Raises:
            Damaged: the stored file is shorter than the catalogue says.
            Unavailable: the store does not answer.
        """
        wanted = max(0, min(size, self.node.size - offset))
        got = self._bytes.read_at(offset, wanted) if wanted else b""
        if len(got) < wanted:
            raise Damaged("a stored file is shorter than the catalogue says; tell the administrator that the store is damaged")
        return got

    def count(self, size: int) -> None:
        """Say for the audit that so many bytes were handed out."""
        if self._reads is not None:
            self._reads.handed_out(self._reader, size)

    def again(self, program: str) -> Callable[[int], None]:
        """Count that a program opened this file once more; return what counts the bytes that it is handed.

        For who keeps a file open between two that ask for it, and knows that it is still granted.
        """
        if self._reads is None:
            return _uncounted
        reader = self._reader._replace(program=program)
        self._reads.opened(reader)
        return partial(self._reads.handed_out, reader)

    def close(self) -> None:
        """Let go of the bytes; harmless when it was called before."""
        self._bytes.close()


def _uncounted(_size: int) -> None:
    """Count nothing: nobody asked."""


class Tree(Protocol):
    """A tree as one principal may see it. Safe to share between threads; holds nothing that can go stale.

    Each call asks again what is granted: what is not is not there. A node's `study` says by which study's grant it is seen, 0
    where by none. Names in a folder are unique, and differ in more than case. Trees beside the studies have nodes of kind ROOT,
    FOLDER and FILE, whose `row` they number as they like up to `LARGEST_ROW`: a number names the same thing for good.
    """

    root: NodeId = ROOT_ID

    def lookup(self, parent: NodeId, name: str) -> Node:
        """Return the child of that name; composed and decomposed characters (macOS) are the same, case is not.

        Raises:
            NotFound: there is none, or it is not granted.
            NotADirectory: the parent is a file.
        """
        ...

    def children(self, parent: NodeId, after: str = "", limit: int = PAGE) -> list[Node]:
        """Return up to `limit` children behind the child named `after`, in the order of folded names.

        A folder that is not there, or not granted (any more), has no children.

        Raises:
            NotADirectory: the parent is a file.
        """
        ...

    def attributes(self, node: NodeId) -> Node:
        """Return a node as it is now.

        Raises:
            NotFound: it is not there, or not granted (any more).
        """
        ...

    def open(self, node: NodeId, program: str = "") -> OpenFile:
        """Open a file's bytes.

        Args:
            node: the file.
            program: what the audit calls the program that reads.

        Raises:
            NotFound: it is not there, or not granted (any more).
            IsADirectory: it is a folder.
            Damaged, Unavailable: the store does not have it or does not answer.
        """
        ...

    def folders(self, study: int) -> list[NodeId]:
        """Return what a face must forget when its user lost a study, whoever may see it: the folders seen by its grant.

        A file of that study in a folder that is seen by another grant, or by none, is to be forgotten too.
        """
        ...

    def hidden(self, study: int) -> list[tuple[NodeId, str]]:
        """Return what stands in a study that the user has and may not see itself: the folder, and the name in it.

        A face must forget these names when its user lost a part of the study.
        """
        return []

    def resolve(self, path: str, *, any_case: bool = False) -> Node:
        """Return the node at a path of the tree, `2008-0003/E001`; empty and doubled slashes do not count.

        Args:
            path: names between slashes.
            any_case: for clients that do not know case, in which no two names in a folder differ: a tree may find names in any.

        Raises:
            NotFound, NotADirectory: as `lookup`.
        """
        node = self.attributes(self.root)
        for name in filter(None, path.split("/")):
            node = self.lookup(node.id, name)
        return node

    def walk(self, parent: NodeId, page: int = PAGE) -> Iterator[Node]:
        """Yield all children, a page at a time."""
        after = ""
        while nodes := self.children(parent, after, page):
            yield from nodes
            after = nodes[-1].name
