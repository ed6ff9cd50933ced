"""The archive as one principal may see it: the tree of studies, the trees beside it, and searching in all of it.

May live here: how trees are put under one root, and what is asked of the archive besides folders and files. Not: a tree.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from catalog.audit import Face, Reader, Reads
from catalog.database import Database
from catalog.pure.access import Principal
from catalog.pure.capacity import Capacity
from catalog.pure.errors import IsADirectory, NotFound
from catalog.pure.names import folded
from catalog.pure.nodes import FIRST_BESIDE, LAST_TREE, ROOT_ID, STUDIES, SYSTEM_FOLDERS, Kind, Node, NodeId
from catalog.pure.results import sources_of_column
from catalog.store import ObjectStore
from catalog.view import contents, statements, statistics
from catalog.view.statistics import StudyStatistics
from catalog.view.study_tree import StudyTree
from catalog.view.tree import PAGE, OpenFile, Tree

if TYPE_CHECKING:
    from catalog.metadata.searching import FoundSeries, Range
    from catalog.pure.query import Typed

_NOTHING = "there is no such file or folder"


@dataclass(frozen=True, slots=True)
class Beside:
    """A tree beside the studies.

    Args:
        path: where its root stands, `_cohorts` or `_views/bids`; the first name begins with `_`, as no study does.
        number: its number among the trees, from 2 to 31; part of inode numbers, so never given to another tree.
        make: returns the tree for a principal, from the tree of studies (which opens files, and counts them for the audit),
            the principal, and that number.
    """

    path: str
    number: int
    make: Callable[[Tree, Principal, int], Tree]


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
        beside: the trees beside the studies.
    """

    def __init__(
        self, database: Database, store: ObjectStore, reads: Reads | None = None, beside: Sequence[Beside] = ()
    ) -> None:
        self._database = database
        self._store = store
        self._reads = reads
        self._beside = beside
        self._places = _Places(beside)
        self._study_codes: dict[int, str] = {}

    def view(self, principal: Principal, face: Face = Face.PYTHON, actor: str = "") -> "View":
        """Return the archive as this principal may see it.

        Args:
            principal: whose grants count.
            face: through which door it is read.
            actor: the Unix login that reads, where that is not the principal's own.
        """
        reader = Reader(principal.login, actor, face, "", 0)
        user = principal.user_id
        studies = StudyTree(self._database, self._store, user, self._study_codes, reader, self._reads)
        beside = {each.number: each.make(studies, principal, each.number) for each in self._beside}
        return View(self._database, user, studies, beside, self._places)

    def capacity(self) -> Capacity:
        """Return the size and free space of what the archive is stored on."""
        return self._store.capacity()


class View(Tree):
    """The archive as one principal may see it: all trees under one root, and what can be asked besides."""

    def __init__(self, database: Database, user: int, studies: StudyTree, beside: dict[int, Tree], places: "_Places") -> None:
        self._database = database
        self._user = user
        self._studies = studies
        self._places = places
        self._trees: dict[int, Tree] = {STUDIES: studies, SYSTEM_FOLDERS: _SystemFolders(places), **beside}

    def lookup(self, parent: NodeId, name: str) -> Node:
        """Return the child of that name; see `Tree`."""
        standing = self._places.below.get(parent)
        if standing is not None and name in standing:
            return self.attributes(standing[name])
        return self._tree(parent).lookup(parent, name)

    def children(self, parent: NodeId, after: str = "", limit: int = PAGE) -> list[Node]:
        """Return up to `limit` children behind the child named `after`, in the order of folded names; see `Tree`."""
        nodes = self._tree(parent).children(parent, after, limit)
        standing = self._places.below.get(parent)
        if standing is None:
            return nodes
        nodes = [*nodes, *self._standing(standing, after)]
        return sorted(nodes, key=lambda node: folded(node.name))[:limit]

    def _standing(self, standing: dict[str, NodeId], after: str) -> Iterator[Node]:
        for name, node in standing.items():
            if folded(name) > folded(after):
                with suppress(NotFound):  # a tree may show nothing at all to somebody
                    yield self.attributes(node)

    def attributes(self, node: NodeId) -> Node:
        """Return a node as it is now; see `Tree`."""
        found = self._tree(node).attributes(node)
        name = self._places.names.get(node)
        return found if name is None else replace(found, name=name)

    def open(self, node: NodeId, program: str = "") -> OpenFile:
        """Open a file's bytes; see `Tree`."""
        return self._tree(node).open(node, program)

    def folders(self, study: int) -> list[NodeId]:
        """Return what a face must forget when its user lost a study; see `Tree`."""
        return [node for tree in self._trees.values() for node in tree.folders(study)]

    def hidden(self, study: int) -> list[tuple[NodeId, str]]:
        """Return what stands in a study that the user has and may not see itself; see `Tree`."""
        return [each for tree in self._trees.values() for each in tree.hidden(study)]

    def resolve(self, path: str, *, any_case: bool = False) -> Node:
        """Return the node at a path of the tree; see `Tree`."""
        first = path.lstrip("/").partition("/")[0]
        if first in self._places.below.get(ROOT_ID, ()):
            return super().resolve(path, any_case=any_case)
        return self._studies.resolve(path, any_case=any_case)

    def origin(self, node: NodeId) -> Origin | None:
        """Return where a result comes from; None for all that is no result, is not there or not granted."""
        if node.kind is not Kind.SERIES or node.tree != STUDIES:
            return None
        row = self._database.row(statements.RESULT, {"user": self._user, "row": node.row})
        return Origin(row.name or "", row.program, sources_of_column(row.sources), row.brought_by) if row else None

    def metadata(self, node: NodeId) -> "Mapping[str, Typed | Range]":
        """Return what the catalogue keeps of a series or a file; nothing of all else.

        Of a series these are the values that all its files share, and the range of numbers in which they differ.

        Raises:
            NotFound: it is not there, or not granted (any more).
        """
        from catalog.metadata.of_nodes import metadata_of  # late: listing a folder does without

        self.attributes(node)
        return metadata_of(self._database, node) if node.tree == STUDIES else {}

    def statistics(self, study: str = "") -> list[StudyStatistics]:
        """Return how much each study holds, or one of them, in the order of codes.

        Raises:
            NotFound: there is no such study, or it is not granted.
        """
        return statistics.count(self._database, self._user, study)

    def exams(self, study: NodeId) -> list[contents.ExamContents]:
        """Return the exams of a study, in the order of codes, with how much each holds; none of what is not granted."""
        return contents.of_study(self._database, self._user, study.row) if study.kind is Kind.STUDY else []

    def middle_file(self, of_series: NodeId) -> NodeId:
        """Return the file in the middle of a series, which tells most of it.

        Raises:
            NotFound: there is none, or it is not granted.
        """
        row = contents.middle_file(self._database, self._user, of_series.row) if of_series.kind is Kind.SERIES else None
        if row is None:
            raise NotFound(_NOTHING)
        return NodeId(Kind.FILE, row)

    def search(self, question: str, *, with_files: bool = False, after: str = "") -> "Iterator[FoundSeries]":
        """Yield the series of which at least one file answers a question, in the order of the tree.

        Args:
            question: as in docs/query.md, `file_type = "DCM_MR" and EchoTime > 80 ms`.
            with_files: also say which files.
            after: only what follows this path in the order of the tree: a series', or a file's where files are asked for.

        Raises:
            Invalid: it is no question, and the message says where; or it is about what none of the studies keeps.
        """
        from catalog.metadata import coverage, known, searching  # late: listing a folder does without
        from catalog.pure.query import parse

        node = parse(question, known.known())
        coverage.require_kept(self._database, self._user, node)
        return searching.search(self._database, self._user, node, with_files=with_files, after=after)

    def not_known(self, question: str) -> list[str]:
        """Return what the answer to a question leaves out: a sentence for each field that some of the studies do not keep.

        Raises:
            Invalid: as `search` does.
        """
        from catalog.metadata import coverage, known  # late: as above
        from catalog.pure.query import parse

        return coverage.require_kept(self._database, self._user, parse(question, known.known()))

    def _tree(self, node: NodeId) -> Tree:
        try:
            return self._trees[node.tree]
        except KeyError:
            raise NotFound(_NOTHING) from None  # a number that somebody guessed


class _Places:
    """Where the trees beside the studies stand: `below` says what stands in which folder, `names` what it is called there."""

    def __init__(self, beside: Sequence[Beside]) -> None:
        self.below: dict[NodeId, dict[str, NodeId]] = {}
        self.names: dict[NodeId, str] = {}
        for each in beside:
            names = each.path.split("/")
            root = NodeId(Kind.ROOT, 0, each.number)
            if not FIRST_BESIDE <= each.number <= LAST_TREE or root in self.names or not names[0].startswith("_"):
                raise ValueError(f"no tree can stand at {each.path} with the number {each.number}")
            folder = ROOT_ID
            for name in names[:-1]:
                folder = self._put(folder, name, NodeId(Kind.FOLDER, len(self.names) + 1, SYSTEM_FOLDERS))
            if self._put(folder, names[-1], root) != root:
                raise ValueError(f"no tree can stand at {each.path}: something stands there")

    def _put(self, folder: NodeId, name: str, node: NodeId) -> NodeId:
        standing = self.below.setdefault(folder, {})
        if name not in standing:
            standing[name] = node
            self.names[node] = name
        return standing[name]


class _SystemFolders(Tree):
    """The folders that lead to trees beside the studies; what stands in them is the view's to say."""

    def __init__(self, places: _Places) -> None:
        self._places = places

    def lookup(self, parent: NodeId, name: str) -> Node:
        raise NotFound(_NOTHING)

    def children(self, parent: NodeId, after: str = "", limit: int = PAGE) -> list[Node]:
        return []

    def attributes(self, node: NodeId) -> Node:
        if node not in self._places.names:
            raise NotFound(_NOTHING)
        return Node(node, "", 0, 0)

    def open(self, node: NodeId, program: str = "") -> OpenFile:
        self.attributes(node)
        raise IsADirectory("a folder has no bytes; open one of its files")

    def folders(self, study: int) -> list[NodeId]:
        return []
