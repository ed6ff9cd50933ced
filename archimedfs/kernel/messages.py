"""The structures of linux/fuse.h that a read-only file system needs, as bytes and back. Nothing is read or written here.

Names are those of fuse.h without `FUSE_` and `fuse_`. The byte order is little endian, as on every machine
that this runs on.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

MAJOR, MINOR = 7, 38
# Linux 5.4. Older kernels expect shorter answers.
OLDEST_MINOR = 31
ROOT_ID = 1


class Opcode(IntEnum):
    """What a request is for; those that change anything are in `WRITING`."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    SETXATTR = 21
    REMOVEXATTR = 24
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    CREATE = 35
    INTERRUPT = 36
    DESTROY = 38
    NOTIFY_REPLY = 41
    BATCH_FORGET = 42
    FALLOCATE = 43
    READDIRPLUS = 44
    RENAME2 = 45
    COPY_FILE_RANGE = 47
    TMPFILE = 51


WRITING = frozenset({
    Opcode.SETATTR, Opcode.SYMLINK, Opcode.MKNOD, Opcode.MKDIR, Opcode.UNLINK, Opcode.RMDIR, Opcode.RENAME, Opcode.LINK,
    Opcode.WRITE, Opcode.SETXATTR, Opcode.REMOVEXATTR, Opcode.CREATE, Opcode.FALLOCATE, Opcode.RENAME2,
    Opcode.COPY_FILE_RANGE, Opcode.TMPFILE,
})  # fmt: skip
# The kernel waits for no answer to these.
UNANSWERED = frozenset({Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.INTERRUPT, Opcode.NOTIFY_REPLY})

# Flags of INIT.
ASYNC_READ = 1 << 0
DO_READDIRPLUS = 1 << 13
PARALLEL_DIROPS = 1 << 18
ABORT_ERROR = 1 << 21
MAX_PAGES = 1 << 22
EXPLICIT_INVAL_DATA = 1 << 25
# Not EXPORT_SUPPORT: with it the kernel looks up inode numbers that somebody guessed (open_by_handle_at).
WANTED = ASYNC_READ | DO_READDIRPLUS | PARALLEL_DIROPS | ABORT_ERROR | MAX_PAGES | EXPLICIT_INVAL_DATA

FOPEN_KEEP_CACHE = 1 << 1

# Codes of what the kernel is told without having asked.
NOTIFY_INVAL_INODE = 2
NOTIFY_INVAL_ENTRY = 3

_PAGES_AT_ONCE = 256
_BACKGROUND, _CONGESTED = 64, 48
_LEAST_WRITE = 4096  # nobody writes, and requests stay small

IN_HEADER = struct.Struct("<IIQQIIIHH")  # len, opcode, unique, nodeid, uid, gid, pid, total_extlen, padding
OUT_HEADER = struct.Struct("<IiQ")  # len, error, unique
FORGOTTEN = struct.Struct("<QQ")  # nodeid, nlookup
_BATCH = struct.Struct("<II")  # count, dummy
_INIT_IN = struct.Struct("<IIII")  # major, minor, max_readahead, flags
_INIT_OUT = struct.Struct("<IIIIHHIIHHI7I")
_OPEN_IN = struct.Struct("<II")  # flags, open_flags
_OPEN_OUT = struct.Struct("<QII")  # fh, open_flags, backing_id
_READ_IN = struct.Struct("<QQI")  # fh, offset, size; more follows
_FH = struct.Struct("<Q")
# ino, size, blocks, atime, mtime, ctime, their nanoseconds, mode, nlink, uid, gid, rdev, blksize, flags
_ATTR = "QQQqqqIIIIIIIIII"
_ATTR_OUT = struct.Struct("<QII" + _ATTR)  # attr_valid, its nanoseconds, dummy
_ENTRY = "QQQQII" + _ATTR  # nodeid, generation, entry_valid, attr_valid, their nanoseconds
_ENTRY_OUT = struct.Struct("<" + _ENTRY)
_DIRENT = "QQII"  # ino, off, namelen, type
_DIRENT_OUT = struct.Struct("<" + _DIRENT)
_DIRENTPLUS_OUT = struct.Struct("<" + _ENTRY + _DIRENT)
_STATFS_OUT = struct.Struct("<QQQQQIIII6I")
_INVAL_INODE = struct.Struct("<Qqq")  # ino, off, len
_INVAL_ENTRY = struct.Struct("<QII")  # parent, namelen, flags
_BLOCK = 512
_BLKSIZE = 4096


class Header(NamedTuple):
    """What stands before every request: `node` is an inode number, `pid` the thread that waits."""

    length: int
    opcode: int
    unique: int
    node: int
    uid: int
    gid: int
    pid: int
    extensions: int
    padding: int


class Attributes(NamedTuple):
    """What stat(2) tells: times in whole seconds since 1970, which may be negative; `valid` for how many seconds it holds."""

    inode: int
    size: int
    mtime: int
    ctime: int
    mode: int
    uid: int
    gid: int
    valid: int


def _packed(told: Attributes) -> tuple[int, ...]:
    inode, size, mtime, ctime, mode, uid, gid, _ = told
    # nlink 1 for folders too: "not counted", so that find(1) does not conclude from it how many subfolders there are.
    return inode, size, (size + _BLOCK - 1) // _BLOCK, mtime, mtime, ctime, 0, 0, 0, mode, 1, uid, gid, 0, _BLKSIZE, 0


def attr_out(told: Attributes) -> bytes:
    """Return the answer to GETATTR."""
    return _ATTR_OUT.pack(told.valid, 0, 0, *_packed(told))


def entry_out(told: Attributes, valid: int) -> bytes:
    """Return the answer to LOOKUP; the name may be believed for `valid` seconds."""
    return _ENTRY_OUT.pack(told.inode, 0, valid, told.valid, 0, 0, *_packed(told))


def direntplus_out(name: bytes, told: Attributes, valid: int, cookie: int) -> bytes:
    """Return an entry of the answer to READDIRPLUS; the listing goes on behind it at `cookie`."""
    inode = told.inode
    length = len(name)
    head = _DIRENTPLUS_OUT.pack(
        inode, 0, valid, told.valid, 0, 0, *_packed(told), inode, cookie, length, told.mode >> 12
    )  # fmt: skip
    return head + name + bytes(-length % 8)


def dirent_out(name: bytes, inode: int, mode: int, cookie: int, *, plus: bool) -> bytes:
    """Return an entry of the answer to READDIR, or one of READDIRPLUS that brings no attributes along."""
    head = _DIRENT_OUT.pack(inode, cookie, len(name), mode >> 12)
    return (bytes(_ENTRY_OUT.size) if plus else b"") + head + name + bytes(-len(name) % 8)


def open_out(number: int, flags: int) -> bytes:
    """Return the answer to OPEN and OPENDIR: the number by which the open file is called from now on."""
    return _OPEN_OUT.pack(number, flags, 0)


def open_in(body: memoryview) -> int:
    """Return the flags of open(2)."""
    flags: int = _OPEN_IN.unpack_from(body)[0]
    return flags


def read_in(body: memoryview) -> tuple[int, int, int]:
    """Return number, offset (for a listing: the cookie) and size of READ, READDIR and READDIRPLUS."""
    number, offset, size = _READ_IN.unpack_from(body)
    return number, offset, size


def release_in(body: memoryview) -> int:
    """Return the number of what RELEASE and RELEASEDIR close."""
    number: int = _FH.unpack_from(body)[0]
    return number


def name_in(body: memoryview) -> bytes:
    """Return the name that LOOKUP asks for.

    Raises:
        struct.error: it does not end.
    """
    name = bytes(body)
    if not name.endswith(b"\0"):
        raise struct.error("a name without an end")
    return name[:-1]


def forgotten(opcode: int, node: int, body: memoryview) -> list[int]:
    """Return the inode numbers that FORGET or BATCH_FORGET is about."""
    if opcode == Opcode.FORGET:
        return [node]
    count, _ = _BATCH.unpack_from(body)
    rest = body[_BATCH.size :]
    whole = min(count, len(rest) // FORGOTTEN.size)
    return [node for node, _ in FORGOTTEN.iter_unpack(rest[: whole * FORGOTTEN.size])]


def statfs_out(blocks: int, free: int, available: int, files: int, free_files: int, block: int, name_bytes: int) -> bytes:
    """Return the answer to STATFS."""
    return _STATFS_OUT.pack(blocks, free, available, files, free_files, block, name_bytes, block, *([0] * 7))


class Agreement(NamedTuple):
    """What both sides speak from INIT on. `flags` are among those that the kernel offered."""

    minor: int
    flags: int
    answer: bytes


def agree(body: memoryview) -> Agreement | None:
    """Return what INIT is answered; None if this kernel is too old.

    A kernel of a newer major version is told ours, and asks again.
    """
    major, minor, readahead, offered = _INIT_IN.unpack_from(body)
    if major < MAJOR or (major == MAJOR and minor < OLDEST_MINOR):
        return None
    minor = min(minor, MINOR) if major == MAJOR else MINOR
    flags = offered & WANTED
    pages = _PAGES_AT_ONCE if flags & MAX_PAGES else 0
    answer = _INIT_OUT.pack(
        MAJOR, minor, readahead, flags, _BACKGROUND, _CONGESTED, _LEAST_WRITE, 1, pages, 0, 0, *([0] * 7)
    )  # fmt: skip
    return Agreement(minor, flags, answer)


def inval_inode(inode: int) -> bytes:
    """Return what drops attributes and all pages of an inode."""
    return _INVAL_INODE.pack(inode, 0, 0)


def inval_entry(folder: int, name: bytes) -> bytes:
    """Return what drops a name from a folder, and all that was cached below it."""
    return _INVAL_ENTRY.pack(folder, len(name), 0) + name + b"\0"
