"""What trees are made of: roots, studies, exams, series, files, and folders, as frozen values.

A node is a fact about one place in one principal's tree; it holds no handle, no path on disk and no other node.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """The kind of a node. The numbers are part of inode numbers and cursors: never reuse one."""

    ROOT = 0
    STUDY = 1
    EXAM = 2
    SERIES = 3
    FILE = 4
    FOLDER = 5  # within a series that is a result; in trees beside the studies, every folder but the root


# Numbers of trees are part of inode numbers and cursors, as those of kinds: never give one to another tree.
STUDIES = 0
SYSTEM_FOLDERS = 1  # such as `_views`, where trees beside the studies stand
FIRST_BESIDE, LAST_TREE = 2, 31
LARGEST_ROW = (1 << 35) - 1


class NodeId(NamedTuple):
    """Names a node for as long as it exists: its kind, its row in that kind's table (0 for a root), and its tree's number."""

    kind: Kind
    row: int
    tree: int = STUDIES


ROOT_ID = NodeId(Kind.ROOT, 0)


@dataclass(frozen=True, slots=True)
class Node:
    """One place in the tree.

    `mtime` is in whole seconds since 1970 UTC: a file's acquisition as published (dates are shifted by de-identification) or,
    where none is known, its insertion. `changed` is the insertion, for ctime. Of a folder both say when something appeared in
    it or left it last, 0 where that is not known. `size` is in bytes, 0 for folders. `digest` is the
    SHA-256 of a file's bytes (32 bytes), empty for folders; `study` is the row of the study it lies in, 0 for the root.
    """

    id: NodeId
    name: str
    mtime: int
    changed: int
    size: int = 0
    digest: bytes = b""
    study: int = 0

    @property
    def is_folder(self) -> bool:
        """Whether it can have children."""
        return self.id.kind is not Kind.FILE
