"""What the kernel is told of a node: mode, owner, size, times, and for how long it may believe it. Looks nothing up."""

import stat

import pyfuse3

from catalog.pure.nodes import Node

# For how long the kernel may answer from what it was told. What a user loses is taken from the kernel when it happens
# (`archimedfs.invalidation`), so this may be long. Names that were not there are not cached at all, so what is published or
# granted shows at once.
BELIEVED_SECONDS = 300.0
# A folder's times change when something appears in it, which the kernel is not told of.
FOLDER_BELIEVED_SECONDS = 1.0

# The mount is read-only, so nobody writes whatever the mode says (EROFS). Programs that copy keep the mode: without the owner's
# w, a copy's folders could not be filled by them, and the copy not be changed or deleted (pachyderm#643).
_FOLDER_MODE = stat.S_IFDIR | 0o700
_FILE_MODE = stat.S_IFREG | 0o600
_BLOCK = 512
_NANOSECONDS = 1_000_000_000
# What libfuse says where it does not know an inode number: the parent of a folder is the kernel's to know.
_UNKNOWN_INODE = 0xFFFFFFFF


class Attributes:
    """Attributes for one owner.

    The objects returned are filled again by the next call: hand them to pyfuse3, which copies them, before anything else is
    awaited. (A new object for each of 20,000 entries costs as much as the rest of the listing's Python.)
    """

    def __init__(self, owner_uid: int, owner_gid: int, folder_mode: int = _FOLDER_MODE) -> None:
        self._file = _blank(_FILE_MODE, owner_uid, owner_gid)
        self._folder = _blank(folder_mode, owner_uid, owner_gid)
        self._folder.attr_timeout = FOLDER_BELIEVED_SECONDS

    def of(self, inode: int, node: Node) -> pyfuse3.EntryAttributes:
        """Return the attributes of a node."""
        if node.is_folder:
            entry = self._folder
        else:
            entry = self._file
            entry.st_size = node.size
            entry.st_blocks = (node.size + _BLOCK - 1) // _BLOCK
        entry.st_ino = inode
        entry.st_mtime_ns = entry.st_atime_ns = node.mtime * _NANOSECONDS
        entry.st_ctime_ns = node.changed * _NANOSECONDS
        return entry

    def of_dots(self, inode: int | None) -> pyfuse3.EntryAttributes:
        """Return what a listing says of `.` and `..`: an inode number, if it is known, and that it is a folder."""
        self._folder.st_ino = _UNKNOWN_INODE if inode is None else inode
        return self._folder


def _blank(mode: int, uid: int, gid: int) -> pyfuse3.EntryAttributes:
    entry = pyfuse3.EntryAttributes()
    entry.st_mode = mode
    entry.st_uid = uid
    entry.st_gid = gid
    # 1 for folders too: "not counted", so that find(1) does not conclude from it how many subfolders there are.
    entry.st_nlink = 1
    entry.entry_timeout = entry.attr_timeout = BELIEVED_SECONDS
    return entry
