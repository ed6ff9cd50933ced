"""A tree that is none of the shipped ones: archived files under fixed names, as a view or a cohort would show them."""

from dataclasses import replace

from catalog.pure.access import Principal
from catalog.pure.errors import IsADirectory, NotADirectory, NotFound
from catalog.pure.names import folded
from catalog.pure.nodes import Kind, Node, NodeId
from catalog.view import Beside, OpenFile, Tree
from catalog.view.tree import PAGE
from tests.behaviour.suite import ODD, SERIES

FILES = {
    "sub-01/anat/T1w.dcm": f"{SERIES}/00007.dcm",
    "sub-01/anat/Big.dcm": f"{ODD}/00001.dcm",
    "sub-02/readme": "SECRET/E001/001_DCM_MR_x/00001.dcm",
}


class FixedTree(Tree):
    """Shows those of the files that its user may see, each under its name here; folders belong to no study."""

    def __init__(self, studies: Tree, _principal: Principal, number: int) -> None:
        self.root = NodeId(Kind.ROOT, 0, number)
        self._studies = studies
        names = sorted({name.rsplit("/", depth)[0] for name in FILES for depth in range(3)})
        kinds = [(name, Kind.FILE if name in FILES else Kind.FOLDER) for name in names]
        self._ids = {"": self.root} | {name: NodeId(kind, row, number) for row, (name, kind) in enumerate(kinds, 1)}
        self._names = {node: name for name, node in self._ids.items()}

    def _name(self, node: NodeId) -> str:
        if node not in self._names:
            raise NotFound("there is no such file or folder")
        return self._names[node]

    def attributes(self, node: NodeId) -> Node:
        name = self._name(node)
        last = name.rpartition("/")[2]
        if node.kind is not Kind.FILE:
            return Node(node, last, 0, 0)
        return replace(self._studies.resolve(FILES[name]), id=node, name=last)

    def lookup(self, parent: NodeId, name: str) -> Node:
        if parent.kind is Kind.FILE:
            raise NotADirectory("a file has nothing below it")
        path = f"{self._name(parent)}/{name}".lstrip("/")
        if path.rpartition("/")[2] != name or path not in self._ids or not name:
            raise NotFound("there is no such file or folder")
        return self.attributes(self._ids[path])

    def children(self, parent: NodeId, after: str = "", limit: int = PAGE) -> list[Node]:
        if parent.kind is Kind.FILE:
            raise NotADirectory("a file has nothing below it")
        found = []
        above = self._name(parent)
        for name, node in self._ids.items():
            if name and name.rpartition("/")[0] == above and folded(name.rpartition("/")[2]) > folded(after):
                try:
                    found.append(self.attributes(node))
                except NotFound:
                    continue
        return sorted(found, key=lambda node: folded(node.name))[:limit]

    def open(self, node: NodeId, program: str = "") -> OpenFile:
        if node.kind is not Kind.FILE:
            self.attributes(node)
            raise IsADirectory("a folder has no bytes; open one of its files")
        opened = self._studies.open(self._studies.resolve(FILES[self._name(node)]).id, program)
        return replace(opened, node=self.attributes(node))

    def folders(self, study: int) -> list[NodeId]:
        # Not told from others here: more than need be is forgotten.
        return list(self._names)


FIXED = Beside("_views/x", 2, FixedTree)
