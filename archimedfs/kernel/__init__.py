"""The kernel's FUSE protocol, read-only: what the archive mount speaks (docs/adr/0026-kernel-protocol.md).

messages      the structures of linux/fuse.h, as bytes and back
device        the device: requests taken, answered, refused, and what the kernel is told to forget
workers       threads for what would keep the device waiting
mounting      the device mounted and unmounted

May live here: the protocol. Not: the archive, users, inode numbers.
"""
