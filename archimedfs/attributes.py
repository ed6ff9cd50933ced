"""What the kernel is told of an archived node: mode, owner, size, times, and for how long it may believe it. Asks nobody."""

import stat

from archimedfs.kernel.messages import Attributes
from archimedfs.user_roots import Account
from catalog.pure.nodes import Node

# For how long the kernel may answer from what it was told. What a user loses is taken from the kernel when it happens
# (`archimedfs.invalidation`), so this may be long. Names that were not there are not cached at all, so what is published or
# granted shows at once.
BELIEVED_SECONDS = 300
# A folder's times change when something appears in it, which the kernel is not told of.
FOLDER_BELIEVED_SECONDS = 1
# What libfuse says where it does not know an inode number: the parent of a folder is the kernel's to know.
UNKNOWN_INODE = 0xFFFFFFFF

# The mount is read-only, so nobody writes whatever the mode says (EROFS). Programs that copy keep the mode: without the owner's
# w, a copy's folders could not be filled by them, and the copy not be changed or deleted (pachyderm#643).
FOLDER_MODE = stat.S_IFDIR | 0o700
FILE_MODE = stat.S_IFREG | 0o600


def attributes_of(inode: int, node: Node, owner: Account) -> Attributes:
    """Return what is told of a node in the tree of an owner."""
    if node.is_folder:
        return Attributes(inode, 0, node.mtime, node.changed, FOLDER_MODE, *owner, FOLDER_BELIEVED_SECONDS)
    return Attributes(inode, node.size, node.mtime, node.changed, FILE_MODE, *owner, BELIEVED_SECONDS)
