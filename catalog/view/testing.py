"""The suite that every tree must pass, shipped so that a tree made elsewhere can run it too. Needs pytest.

    class TestMyTree(TreeSuite):
        @pytest.fixture
        def tree(self) -> Tree: ...                            # as a user sees it, with some folders and files in it

        @pytest.fixture
        def revoke(self) -> Callable[[], None]: ...            # takes all studies away from that user

What the faces make of it is tested by running them on it.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from catalog.pure.errors import ArchimedError, IsADirectory, NotADirectory, NotFound
from catalog.pure.names import folded
from catalog.pure.nodes import LARGEST_ROW, LAST_TREE, Node, NodeId
from catalog.view.tree import Tree

ODD = ("a\0b", "\0", "\ud800", "x" * 100_000, "..", ".", "%", "' or 1=1 --", "")


class Found(NamedTuple):
    """A node of the tree, where it stands, and in which folder."""

    path: str
    parent: NodeId
    node: Node


def everything(tree: Tree) -> Iterator[Found]:
    """Yield all that is in a tree, folders before what they hold."""
    waiting = [("", tree.root)]
    while waiting:
        path, folder = waiting.pop()
        for node in tree.walk(folder):
            below = f"{path}/{node.name}".lstrip("/")
            yield Found(below, folder, node)
            if node.is_folder:
                waiting.append((below, node.id))


class TreeSuite:
    """The tests. A subclass gives the fixtures `tree` and `revoke`."""

    def test_there_is_something_to_test(self, tree: Tree) -> None:
        found = list(everything(tree))
        assert {each.node.is_folder for each in found} == {True, False}
        assert any(each.node.study for each in found)

    def test_a_child_is_the_same_however_it_is_found(self, tree: Tree) -> None:
        assert tree.attributes(tree.root).id == tree.root
        assert tree.resolve("").id == tree.root
        for path, parent, node in everything(tree):
            assert tree.lookup(parent, node.name) == node
            assert tree.attributes(node.id) == node
            assert tree.resolve(path) == tree.resolve(f"//{path}//") == node

    def test_numbers_name_one_node_and_fit_an_inode_number(self, tree: Tree) -> None:
        nodes = [tree.attributes(tree.root), *(each.node for each in everything(tree))]
        assert len({node.id for node in nodes}) == len(nodes)
        assert all(0 <= node.id.row <= LARGEST_ROW and 0 <= node.id.tree <= LAST_TREE for node in nodes)

    @pytest.mark.parametrize("page", [1, 2, 7, 1000])
    def test_pages_give_each_child_once_in_the_order_of_folded_names(self, tree: Tree, page: int) -> None:
        for folder in {each.parent for each in everything(tree)}:
            names = [node.name for node in tree.walk(folder, page)]
            assert len({folded(name) for name in names}) == len(names)
            assert names == sorted(names, key=folded)
            assert all(len(tree.children(folder, name, page)) <= page for name in names)

    def test_a_name_is_exact(self, tree: Tree) -> None:
        for _, parent, node in everything(tree):
            for name in {node.name.swapcase(), f"{node.name}x", f"{node.name}/", *ODD} - {node.name}:
                with pytest.raises(NotFound):
                    tree.lookup(parent, name)

    def test_a_file_gives_its_bytes_and_has_nothing_below_it(self, tree: Tree) -> None:
        for _, _, node in everything(tree):
            if node.is_folder:
                with pytest.raises(IsADirectory):
                    tree.open(node.id)
                continue
            opened = tree.open(node.id, "pytest")
            content = opened.read_at(0, node.size + 1)
            assert opened.node == node
            assert (len(content), hashlib.sha256(content).digest()) == (node.size, node.digest)
            assert opened.read_at(1, 2) == content[1:3]
            opened.close()
            with pytest.raises(NotADirectory):
                tree.children(node.id)
            with pytest.raises(NotADirectory):
                tree.lookup(node.id, "x")

    def test_a_number_that_somebody_guessed_is_not_found(self, tree: Tree) -> None:
        known = {each.node.id for each in everything(tree)}
        for node in {each._replace(row=LARGEST_ROW) for each in known}:
            with pytest.raises(NotFound):
                tree.attributes(node)
            with pytest.raises(ArchimedError):
                tree.open(node)

    def test_a_study_that_is_lost_can_be_forgotten_whole(self, tree: Tree) -> None:
        """Each node of the study is named, or stands in a folder of the study that is."""
        found = list(everything(tree))
        study_of = {each.node.id: each.node.study for each in found}
        for study in set(study_of.values()) - {0}:
            named = set(tree.folders(study))
            for _, parent, node in found:
                if node.study == study and (node.is_folder or study_of.get(parent) != study):
                    assert node.id in named

    def test_what_is_revoked_is_gone_with_the_next_call(self, tree: Tree, revoke: Callable[[], None]) -> None:
        lost = [each for each in everything(tree) if each.node.study]
        revoke()
        for path, parent, node in lost:
            with pytest.raises(NotFound):
                tree.attributes(node.id)
            with pytest.raises(NotFound):
                tree.lookup(parent, node.name)
            with pytest.raises(NotFound):
                tree.resolve(path)
            if node.is_folder:
                assert tree.children(node.id) == []
            else:
                with pytest.raises(NotFound):
                    tree.open(node.id)
        assert not any(each.node.study for each in everything(tree))
