"""The tree of studies: study / exam / series / file. Look-ups, listings and attributes are index look-ups, opening one more.

The tree is decided here and in `statements`; every face shows it. Each call asks the catalogue again whether the study is
granted, so a grant that is gone is gone with the next call. Nothing here writes; what is opened is counted.
"""

import itertools
import re
from collections.abc import Sequence
from typing import Any

from catalog.audit import Reader, Reads
from catalog.database import Database
from catalog.pure.errors import IsADirectory, NotADirectory, NotFound
from catalog.pure.names import BEHIND_ALL_NAMES, folded, nested_end, nested_key, same_characters
from catalog.pure.nodes import ROOT_ID, Kind, Node, NodeId
from catalog.store import ObjectStore, StoredObject
from catalog.view import statements
from catalog.view.tree import PAGE, OpenFile, Tree

# NUL, and the half characters by which Python stands for bytes that are no UTF-8: no database takes them.
_IN_NO_NAME = re.compile("[\0\ud800-\udfff]")

_ROOT = Node(ROOT_ID, "", 0, 0)
_COLUMNS = 7  # of a node


class StudyTree(Tree):
    """The tree of studies as one principal may see it.

    Args:
        database: the catalogue.
        store: the store.
        user: the principal's row.
        study_codes: codes of studies that were looked up before, by row; trees of one archive share them.
        reader: as whom to count what is opened.
        reads: where to count it; None: it is not counted.
    """

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        user: int,
        study_codes: dict[int, str],
        reader: Reader,
        reads: Reads | None,
    ) -> None:
        self._database = database
        self._store = store
        self._user = user
        self._study_codes = study_codes
        self._reader = reader
        self._reads = reads

    def lookup(self, parent: NodeId, name: str) -> Node:
        """Return the child of that name; see `Tree`.

        Raises:
            NotFound: there is none, or it is not granted.
            NotADirectory: the parent is a file.
        """
        return self._lookup(parent, name)

    def _lookup(self, parent: NodeId, name: str, *, any_case: bool = False) -> Node:
        found = _of(statements.BY_NAME, parent.kind)
        if not _IN_NO_NAME.search(name):
            values = {"user": self._user, "parent": parent.row, "key": _key(parent, name)}
            for kind, statement in found:
                row = self._database.prepared_row(statement, values)
                if row is not None and (any_case or same_characters(row[1], name)):
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
            [_node(kind, row) for row in self._database.prepared_rows(statement, values)]
            for kind, statement in _of(statements.CHILDREN, parent.kind)
        ]
        full = [page for page in pages if page]
        if len(full) < 2:
            return full[0] if full else []
        return sorted(itertools.chain(*full), key=lambda node: folded(node.name))[:limit]

    def attributes(self, node: NodeId) -> Node:
        """Return a node as it is now.

        Raises:
            NotFound: it is not there, or not granted (any more).
        """
        if node.kind is Kind.ROOT:
            return _ROOT
        row = self._database.prepared_row(statements.BY_ROW[node.kind], {"user": self._user, "row": node.row})
        if row is None:
            raise NotFound("there is no such file or folder")
        return _node(node.kind, row)

    def resolve(self, path: str, *, any_case: bool = False) -> Node:
        """Return the node at a path of the tree, `2008-0003/E001`; see `Tree`.

        Raises:
            NotFound, NotADirectory: as `lookup`.
        """
        names = [name for name in path.split("/") if name]
        node = self._resolve_at_once(names, any_case=any_case)
        if node is None:
            # One of them is missing, is no file's or no folder's, or a folder within a series.
            node = _ROOT
            for name in names:
                node = self._lookup(node.id, name, any_case=any_case)
        return node

    def _resolve_at_once(self, names: list[str], *, any_case: bool) -> Node | None:
        if len(names) not in statements.BY_PATH or any(_IN_NO_NAME.search(name) for name in names):
            return None
        kind, statement = statements.BY_PATH[len(names)]
        keys = {f"key{place}": folded(name) for place, name in enumerate(names)}
        row = self._database.prepared_row(statement, {"user": self._user, **keys})
        if row is None or not (any_case or all(map(same_characters, [*row[_COLUMNS:], row[1]], names))):
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
        row = self._database.prepared_row(statements.TO_OPEN, {"user": self._user, "row": node.row})
        if row is None:
            raise NotFound("there is no such file or folder")
        *columns, series = row
        found = _node(Kind.FILE, columns)
        stored = self._store.open(self._study_code(found.study), StoredObject(found.digest, found.size))
        reader = self._reader._replace(program=program, series=series)
        if self._reads is not None:
            self._reads.opened(reader)
        return OpenFile(found, stored.fd, stored, reader, self._reads)

    def folders(self, study: int) -> list[NodeId]:
        """Return a study's folders, whoever may see it."""
        exams = self._database.rows(statements.EXAMS_OF, {"row": study})
        series = self._database.rows(statements.SERIES_OF, {"row": study})
        within = self._database.rows(statements.FOLDERS_OF, {"row": study})
        return [
            NodeId(Kind.STUDY, study),
            *(NodeId(Kind.EXAM, row.id) for row in exams),
            *(NodeId(Kind.SERIES, row.id) for row in series),
            *(NodeId(Kind.FOLDER, row.id) for row in within),
        ]

    def hidden(self, study: int) -> list[tuple[NodeId, str]]:
        """Return the codes of the exams of a study that the user may not see, with the study's folder."""
        rows = self._database.rows(statements.HIDDEN_EXAMS, {"user": self._user, "row": study})
        return [(NodeId(Kind.STUDY, study), row.code) for row in rows]

    def _study_code(self, row: int) -> str:
        # A study's code never changes: its folder in the store is named by it.
        code = self._study_codes.get(row)
        if code is None:
            found = self._database.prepared_row(statements.STUDY_CODE, {"row": row})
            if found is None:
                raise NotFound("there is no such file or folder")
            code = self._study_codes[row] = found[0]
        return code


def _key(parent: NodeId, name: str) -> str:
    return nested_key(parent.row, folded(name)) if parent.kind is Kind.FOLDER else folded(name)


def _of(table: dict[Kind, tuple[statements.Found, ...]], kind: Kind) -> tuple[statements.Found, ...]:
    try:
        return table[kind]
    except KeyError:
        raise NotADirectory("a file has nothing below it") from None


def _node(kind: Kind, row: Sequence[Any]) -> Node:
    number, name, mtime, changed, size, digest, study = row
    return Node(NodeId(kind, number), name, mtime, changed, size, digest or b"", study)
