"""Inode numbers: computed from (user slot, tree, kind, row), so that no table is kept and no two users share one.

    bit 62 .. 44   43 .. 39   38 .. 35   34 .. 0
    user slot      tree       kind       row

The kernel shares what it caches of an inode (names, attributes, pages) between all who can reach it. The slot keeps the inodes
of two users apart even where they see the same file. A mount for a single user has one slot, 0.
"""

from catalog.pure.errors import NotFound
from catalog.pure.nodes import Kind, NodeId

ONLY_SLOT = 0

_ROW_BITS = 35
_KIND_BITS = 4
_TREE_BITS = 5
_SLOT_BITS = 19
_LOCAL_BITS = _ROW_BITS + _KIND_BITS + _TREE_BITS
_ROWS = 1 << _ROW_BITS
_KINDS = 1 << _KIND_BITS
_TREES = 1 << _TREE_BITS
_SLOTS = 1 << _SLOT_BITS
LAST_SLOT = _SLOTS - 1
# FUSE calls the root of a mount 1. The first tree's root is kind 0 row 0, and 0 is no inode number: roots are written as row 1.
_ROOT_ROW = 1
_KIND_OF = {int(kind): kind for kind in Kind}


def encode(slot: int, node: NodeId) -> int:
    """Return the inode number of a node for the user in that slot; the root of slot 0 is 1, as FUSE has it."""
    kind, row, tree = node
    if row >= _ROWS or slot >= _SLOTS or tree >= _TREES:
        raise OverflowError("the number of a row, tree or user does not fit an inode number")
    return slot << _LOCAL_BITS | tree << (_ROW_BITS + _KIND_BITS) | kind << _ROW_BITS | (row if kind else _ROOT_ROW)


def decode(inode: int) -> tuple[int, NodeId]:
    """Return slot and node of an inode number, which may be a guessed one.

    Raises:
        NotFound: no node has such a number.
    """
    kind = _KIND_OF.get(inode >> _ROW_BITS & (_KINDS - 1))
    if kind is None:
        raise NotFound("there is no such file or folder")
    tree = inode >> (_ROW_BITS + _KIND_BITS) & (_TREES - 1)
    return inode >> _LOCAL_BITS, NodeId(kind, inode & (_ROWS - 1) if kind else 0, tree)


def number_in(slot: int, local: int) -> int:
    """Return the inode number of what a slot counts itself, from 2: where nodes have no rows. Its root is that of `encode`."""
    if local >= 1 << _LOCAL_BITS or slot >= _SLOTS:
        raise OverflowError("the number of a node or user does not fit an inode number")
    return slot << _LOCAL_BITS | local


def slot_of(inode: int) -> int:
    """Return the slot of an inode number."""
    return inode >> _LOCAL_BITS
