"""What the kernel is told of staged files and folders: mode, owner, size, times, and for how long. Looks nothing up."""

import os
import stat

import pyfuse3

from catalog.pure.drops import Entry

# Another face may change the same tree; one second is what its users wait for that to show.
BELIEVED_SECONDS = 1.0

_FOLDER_MODE = stat.S_IFDIR | 0o700
_SYSTEM_FOLDER_MODE = stat.S_IFDIR | 0o500
_FILE_MODE = stat.S_IFREG | 0o600
# `ls -l` shows it as a T: somebody still writes it, or died doing so.
_UNFINISHED = stat.S_ISVTX
_BLOCK = 512


class StagedAttributes:
    """Attributes for one owner. The object returned is filled again by the next call: hand it to pyfuse3 at once."""

    def __init__(self, owner_uid: int, owner_gid: int) -> None:
        self._entry = pyfuse3.EntryAttributes()
        self._entry.st_uid = owner_uid
        self._entry.st_gid = owner_gid
        self._entry.entry_timeout = BELIEVED_SECONDS

    def of(self, inode: int, entry: Entry, *, is_root: bool = False) -> pyfuse3.EntryAttributes:
        """Return the attributes of a file or folder."""
        if entry.is_folder:
            mode = _SYSTEM_FOLDER_MODE if is_root else _FOLDER_MODE
        else:
            mode = _FILE_MODE | (_UNFINISHED if entry.is_unfinished else 0)
        return self._filled(inode, mode, entry.size, entry.mtime_ns, (entry.size + _BLOCK - 1) // _BLOCK)

    def of_open(self, inode: int, found: os.stat_result, *, is_there: bool) -> pyfuse3.EntryAttributes:
        """Return the attributes of a file that is open; `is_there`: it still has a name."""
        mode = _FILE_MODE | found.st_mode & _UNFINISHED
        attributes = self._filled(inode, mode, found.st_size, found.st_mtime_ns, found.st_blocks)
        attributes.st_nlink = int(is_there)
        return attributes

    def _filled(self, inode: int, mode: int, size: int, mtime_ns: int, blocks: int) -> pyfuse3.EntryAttributes:
        attributes = self._entry
        attributes.st_ino = inode
        attributes.st_mode = mode
        attributes.st_size = size
        attributes.st_blocks = blocks
        # Its end is no event that the kernel hears of.
        attributes.attr_timeout = 0.0 if mode & _UNFINISHED else BELIEVED_SECONDS
        attributes.st_nlink = 1
        attributes.st_mtime_ns = attributes.st_ctime_ns = attributes.st_atime_ns = mtime_ns
        return attributes
