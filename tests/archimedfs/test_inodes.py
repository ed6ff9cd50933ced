"""Inode numbers: there and back, apart from each other, and harmless when guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimedfs import inodes
from catalog.pure.errors import NotFound
from catalog.pure.nodes import LARGEST_ROW, LAST_TREE, ROOT_ID, Kind, NodeId

slots = st.integers(0, 2**19 - 1)
trees = st.integers(0, LAST_TREE)
nodes = st.one_of(
    st.builds(NodeId, st.just(Kind.ROOT), st.just(0), trees),
    st.builds(NodeId, st.sampled_from([kind for kind in Kind if kind is not Kind.ROOT]), st.integers(1, LARGEST_ROW), trees),
)


@given(slots, nodes)
def test_there_and_back(slot: int, node: NodeId) -> None:
    inode = inodes.encode(slot, node)
    assert inodes.decode(inode) == (slot, node)
    assert 0 < inode < 2**63


@given(slots, nodes, slots, nodes)
def test_two_places_never_share_a_number(slot: int, node: NodeId, other_slot: int, other: NodeId) -> None:
    if (slot, node) != (other_slot, other):
        assert inodes.encode(slot, node) != inodes.encode(other_slot, other)


def test_the_root_is_what_fuse_calls_the_root() -> None:
    assert inodes.encode(inodes.ONLY_SLOT, ROOT_ID) == 1


@given(st.integers(0, 2**64 - 1))
def test_a_guessed_number_is_a_place_or_not_found(inode: int) -> None:
    try:
        _, node = inodes.decode(inode)
    except NotFound:
        return
    assert node.kind in set(Kind)


def test_what_does_not_fit_is_no_other_node() -> None:
    with pytest.raises(OverflowError):
        inodes.encode(0, NodeId(Kind.FILE, LARGEST_ROW + 1))
    with pytest.raises(OverflowError):
        inodes.encode(0, NodeId(Kind.FILE, 1, LAST_TREE + 1))
    with pytest.raises(OverflowError):
        inodes.encode(2**19, ROOT_ID)
