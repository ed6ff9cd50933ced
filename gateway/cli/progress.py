"""How far a long command is: a bar on a terminal, nothing in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def count(what: str) -> Iterator[Callable[[int], None]]:
    """Give a function that shows how many are done of nobody knows how many, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # late: a piped command does not wait for it

    with Console(stderr=True).status(what) as status:
        yield lambda done: status.update(f"{done} {what}")


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Give a function that shows how far it is, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # late: a piped command does not wait for it
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
