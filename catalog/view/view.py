"""A view: look-ups, listings, attributes and bytes for one principal. Nothing here writes; what is opened is counted.

The tree is decided here and in `statements`; every face shows it. Each call asks the catalogue again whether the study is
granted, so a grant that is gone is gone with the next call.
"""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.audit import Face, Reader, Reads
from catalog.database import Database
from catalog.pure.access import Principal
from catalog.pure.capacity import Capacity
from catalog.pure.errors import Damaged, IsADirectory, NotADirectory, NotFound
from catalog.pure.names import BEHIND_ALL_NAMES, folded, nested_end, nested_key
from catalog.pure.nodes import ROOT_ID, Kind, Node, NodeId
from catalog.store import ObjectReader, ObjectStore, StoredObject
from catalog.view import statements

if TYPE_CHECKING:
    from catalog.metadata.searching import FoundSeries

PAGE = 1000

# NUL, and the half characters by which Python stands for bytes that are no UTF-8: no database takes them.
_IN_NO_NAME = re.compile("[\0\ud800-\udfff]")

_ROOT = Node(ROOT_ID, "", 0, 0)
_COLUMNS = 7  # of a node


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

    def close(self) -> None:
        """Let go of the bytes; harmless when it was called before."""
        self._bytes.close()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a result comes from: the series it was made of ('' if there is none of its number) and, as who brought it says,
    the program and the series it used; `brought_by` is a login."""

    made_of: str
    program: str
    sources: tuple[str, ...]
    brought_by: str


class Archive:
    """The catalogue and the store together: what views are made from. Safe to share between threads.

    Args:
        database: the catalogue.
        store: the store.
        reads: where reads are counted; `catalog.audit.Keeper` writes them down. None: they are not.
    """

    def __init__(self, database: Database, store: ObjectStore, reads: Reads | None = None) -> None:
        self._database = database
        self._store = store
        self._reads = reads
        self._study_codes: dict[int, str] = {}

    def view(self, principal: Principal, face: Face = Face.PYTHON, actor: str = "") -> "View":
        """Return the archive as this principal may see it.

        Args:
            principal: whose grants count.
            face: through which door it is read.
            actor: the Unix login that reads, where that is not the principal's own.
        """
        reader = Reader(principal.login, actor, face, "", 0)
        return View(self._database, self._store, principal, self._study_codes, reader, self._reads)

    def folders(self, study: int) -> list[NodeId]:
        """Return a study's folders, whoever may see it, without their names: for a face that must forget them."""
        exams = self._database.rows(statements.EXAMS_OF, {"row": study})
        series = self._database.rows(statements.SERIES_OF, {"row": study})
        within = self._database.rows(statements.FOLDERS_OF, {"row": study})
        return [
            NodeId(Kind.STUDY, study),
            *(NodeId(Kind.EXAM, row.id) for row in exams),
            *(NodeId(Kind.SERIES, row.id) for row in series),
            *(NodeId(Kind.FOLDER, row.id) for row in within),
        ]

    def capacity(self) -> Capacity:
        """Return the size and free space of the filesystem behind the archive."""
        return self._store.capacity()


class View:
    """The archive as one principal may see it. Safe to share between threads; holds nothing that can go stale.

    Args:
        study_codes: codes of studies that were looked up before, by row; views of one archive share them.
        reader: as whom to count what is opened.
        reads: where to count it.
    """

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        principal: Principal,
        study_codes: dict[int, str],
        reader: Reader,
        reads: Reads | None,
    ) -> None:
        self._database = database
        self._store = store
        self._user = principal.user_id
        self._study_codes = study_codes
        self._reader = reader
        self._reads = reads

    def lookup(self, parent: NodeId, name: str) -> Node:
        """Return the child of that exact name.

        Raises:
            NotFound: there is none, or it is not granted.
            NotADirectory: the parent is a file.
        """
        found = _of(statements.BY_NAME, parent.kind)
        if not _IN_NO_NAME.search(name):
            values = {"user": self._user, "parent": parent.row, "key": _key(parent, name)}
            for kind, statement in found:
                row = self._database.row(statement, values)
                if row is not None and row[1] == name:
                    return _node(kind, row)
        raise NotFound("there is no such file or folder")

    def children(self, parent: NodeId, after: str = "", limit: int = PAGE) -> list[Node]:
        """Return up to `limit` children behind the child named `after`, in the order of folded names.

        A folder that is not granted (any more) has no children; the root lists the granted studies.

        Raises:
            NotADirectory: the parent is a file.
        """
        end = nested_end(parent.row) if parent.kind is Kind.FOLDER else BEHIND_ALL_NAMES
        values = {"user": self._user, "parent": parent.row, "key": _key(parent, after), "end": end, "limit": limit}
        pages = [
            [_node(kind, row) for row in self._database.rows(statement, values)]
            for kind, statement in _of(statements.CHILDREN, parent.kind)
        ]
        full = [page for page in pages if page]
        if len(full) < 2:
            return full[0] if full else []
        return sorted(itertools.chain(*full), key=lambda node: folded(node.name))[:limit]

    def walk(self, parent: NodeId, page: int = PAGE) -> Iterator[Node]:
        """Yield all children, a page at a time."""
        after = ""
        while nodes := self.children(parent, after, page):
            yield from nodes
            after = nodes[-1].name

    def attributes(self, node: NodeId) -> Node:
        """Return a node as it is now.

        Raises:
            NotFound: it is not there, or not granted (any more).
        """
        if node.kind is Kind.ROOT:
            return _ROOT
        row = self._database.row(statements.BY_ROW[node.kind], {"user": self._user, "row": node.row})
        if row is None:
            raise NotFound("there is no such file or folder")
        return _node(node.kind, row)

    def origin(self, node: NodeId) -> Origin | None:
        """Return where a result comes from; None for all that is no result, is not there or not granted."""
        row = self._database.row(statements.RESULT, {"user": self._user, "row": node.row}) if node.kind is Kind.SERIES else None
        return Origin(row.name or "", row.program, tuple(json.loads(row.sources)), row.brought_by) if row else None

    def resolve(self, path: str) -> Node:
        """Return the node at a path of the tree, `2008-0003/E001`; empty and doubled slashes do not count.

        Raises:
            NotFound, NotADirectory: as `lookup`.
        """
        names = [name for name in path.split("/") if name]
        node = self._resolve_at_once(names)
        if node is None:
            # One of them is missing, is no file's or no folder's, or a folder within a series.
            node = _ROOT
            for name in names:
                node = self.lookup(node.id, name)
        return node

    def _resolve_at_once(self, names: list[str]) -> Node | None:
        if len(names) not in statements.BY_PATH or any(_IN_NO_NAME.search(name) for name in names):
            return None
        kind, statement = statements.BY_PATH[len(names)]
        keys = {f"key{place}": folded(name) for place, name in enumerate(names)}
        row = self._database.row(statement, {"user": self._user, **keys})
        if row is None or [*row[_COLUMNS:], row[1]] != names:
            return None
        return _node(kind, row[:_COLUMNS])

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
        if node.kind is not Kind.FILE:
            self.attributes(node)
            raise IsADirectory("a folder has no bytes; open one of its files")
        row = self._database.row(statements.TO_OPEN, {"user": self._user, "row": node.row})
        if row is None:
            raise NotFound("there is no such file or folder")
        *columns, series = row
        found = _node(Kind.FILE, columns)
        stored = self._store.open(self._study_code(found.study), StoredObject(found.digest, found.size))
        reader = self._reader._replace(program=program, series=series)
        if self._reads is not None:
            self._reads.opened(reader)
        return OpenFile(found, stored.fd, stored, reader, self._reads)

    def search(self, question: str, *, with_files: bool = False) -> "Iterator[FoundSeries]":
        """Yield the series of which at least one file answers a question, in the order of the tree.

        Args:
            question: as in docs/query.md, `file_type = "DCM_MR" and EchoTime > 80 ms`.
            with_files: also tell which files.

        Raises:
            Invalid: it is no question; the message says where.
        """
        from catalog.metadata import known, searching  # late: listing a folder does without
        from catalog.pure.query import parse

        return searching.search(self._database, self._user, parse(question, known.known()), with_files=with_files)

    def _study_code(self, row: int) -> str:
        # A study's code never changes: its folder in the store is named by it.
        code = self._study_codes.get(row)
        if code is None:
            found = self._database.row(statements.STUDY_CODE, {"row": row})
            if found is None:
                raise NotFound("there is no such file or folder")
            code = self._study_codes[row] = found[0]
        return code


def _key(parent: NodeId, name: str) -> str:
    return nested_key(parent.row, folded(name)) if parent.kind is Kind.FOLDER else folded(name)


def _of(table: dict[Kind, tuple[tuple[Kind, statements.Query], ...]], kind: Kind) -> tuple[tuple[Kind, statements.Query], ...]:
    try:
        return table[kind]
    except KeyError:
        raise NotADirectory("a file has nothing below it") from None


def _node(kind: Kind, row: Sequence[Any]) -> Node:
    number, name, mtime, changed, size, digest, study = row
    return Node(NodeId(kind, number), name, mtime, changed, size, digest or b"", study)
