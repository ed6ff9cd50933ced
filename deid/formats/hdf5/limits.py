"""Bounds on what an HDF5 file may ask for. Numbers only; both processes read them."""

NODES = 100_000
DEPTH = 32
ATTRIBUTES = 64
MEMBERS = 256
CHUNK_BYTES = 1 << 28
ATTRIBUTE_BYTES = 1 << 16
TEXT_BYTES = 1 << 25
REFERENCES = 1 << 20
MESSAGE_BYTES = 1 << 28
BLOCK_BYTES = 1 << 24
MEMORY_BYTES = 3 << 30
"""Of the child's address space."""


def output_bytes(size: int) -> int:
    """How large the copy of a file may grow: what is shared or packed in a hostile one unfolds without end."""
    return 4 * size + (1 << 24)


def seconds(size: int) -> int:
    """How long the child may take: a disk's and a packer's speed with room to spare."""
    return 120 + (size >> 20)
