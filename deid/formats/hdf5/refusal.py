"""Why the child will not copy a file. Sentences of ours alone: none holds a value of the file."""

from __future__ import annotations


class Refused(Exception):
    """The file holds what cannot be kept and must not be lost silently."""


class Damaged(Exception):
    """The file cannot be read whole."""


class Leak(Exception):
    """A removed value is in the samples. `number`: of the dataset, in the order they were told."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)
