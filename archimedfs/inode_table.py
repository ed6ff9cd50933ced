"""Inode numbers of a tree that changes: a number for each file and folder that the kernel knows, and the way back to its name.

A node knows its parent, so a folder that is renamed takes along all below it. A number is given anew when another file takes a
name: pages of the old one are never the new one's. The table holds what the kernel holds, and forgets when it forgets.
"""

from archimedfs import inodes
from catalog.pure.drops import Entry, Place
from catalog.pure.errors import NotFound
from catalog.pure.nodes import ROOT_ID


class Node:
    """A file or folder that the kernel knows. `handles` are the numbers of its open files."""

    __slots__ = ("children", "file", "handles", "inode", "lookups", "name", "parent")

    def __init__(self, inode: int, parent: "Node | None", name: str, file: int) -> None:
        self.inode = inode
        self.parent = parent
        self.name = name
        self.file = file
        self.lookups = 0
        self.children: dict[str, Node] = {}
        self.handles: set[int] = set()


class InodeTable:
    """The nodes of one user, whose slot of the inode numbers is `slot`. Belongs to the thread of the event loop."""

    def __init__(self, slot: int) -> None:
        self._slot = slot
        self.root = Node(inodes.encode(slot, ROOT_ID), None, "", 0)
        self._nodes = {self.root.inode: self.root}
        self._following = 2

    def __getitem__(self, inode: int) -> Node:
        """Return the node of a number.

        Raises:
            NotFound: the kernel was not told of it, or has forgotten it.
        """
        node = self._nodes.get(inode)
        if node is None:
            raise NotFound("there is no such file or folder")
        return node

    def path(self, node: Node) -> Place:
        """Return the names that lead to a node.

        Raises:
            NotFound: it was removed.
        """
        names = []
        while node is not self.root:
            names.append(node.name)
            if node.parent is None:
                raise NotFound("there is no such file or folder")
            node = node.parent
        return tuple(reversed(names))

    def remember(self, parent: Node, entry: Entry) -> Node:
        """Return the node of a child that the kernel is told of, which it now knows once more."""
        node = parent.children.get(entry.name)
        if node is None or node.file != entry.inode:
            self.remove(parent, entry.name)
            node = Node(inodes.number_in(self._slot, self._following), parent, entry.name, entry.inode)
            self._following += 1
            self._nodes[node.inode] = node
            parent.children[entry.name] = node
        node.lookups += 1
        return node

    def remove(self, parent: Node, name: str) -> None:
        """Note that a child has gone; what is open of it can still be used."""
        node = parent.children.pop(name, None)
        if node is not None:
            node.parent = None

    def move(self, old_parent: Node, old_name: str, new_parent: Node, new_name: str) -> None:
        """Note that a child has another name now."""
        node = old_parent.children.pop(old_name, None)
        self.remove(new_parent, new_name)
        if node is not None:
            node.parent, node.name = new_parent, new_name
            new_parent.children[new_name] = node

    def forget(self, inode: int, lookups: int) -> None:
        """Note that the kernel has forgotten a node as often as it was told of it."""
        node = self._nodes.get(inode)
        if node is None or node is self.root:
            return
        node.lookups -= lookups
        self._drop(node)

    def below(self, name: str) -> list[int]:
        """Return the numbers of a child of the root and of all below it."""
        found, rest = [], [node for node in [self.root.children.get(name)] if node is not None]
        while rest:
            node = rest.pop()
            found.append(node.inode)
            rest.extend(node.children.values())
        return found

    def _drop(self, node: Node) -> None:
        # A folder stays as long as something in it is known, for that is found through it.
        while node is not self.root and node.lookups <= 0 and not node.children and not node.handles:
            self._nodes.pop(node.inode, None)
            parent, node.parent = node.parent, None
            if parent is None:
                return
            if parent.children.get(node.name) is node:
                del parent.children[node.name]
            node = parent
