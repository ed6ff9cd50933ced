"""What drawing one file may take. Numbers only; both sides read them."""

MEMORY_BYTES = 2 << 30
"""Of the child's address space."""

CPU_SECONDS = 15
SECONDS = 30
ANSWER_BYTES = 256 << 20
