"""The archive as folders: FUSE mounts, each a thin translation of the kernel's requests onto a view.

May live here: inode numbers, attributes, errno, open handles, the mount's life. Not: who may see what, SQL, paths in the store.
"""
