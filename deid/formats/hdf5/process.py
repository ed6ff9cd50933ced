"""The parent's side of the process that reads and writes HDF5: starting, talking, ending it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deid.errors import Held, Unreadable
from deid.formats.base import TargetError
from deid.formats.hdf5 import limits
from deid.formats.hdf5.nodes import Node, Orders, node_from, receive, send

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_HANDED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
_OURS = {"HDF5_PLUGIN_PRELOAD": "::", "HDF5_USE_FILE_LOCKING": "FALSE", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class Conversation:
    """One file in the hands of the child."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is None or process.stdout is None:  # never: both are asked for
            raise TypeError
        self._hears, self._says = process.stdin, process.stdout

    def nodes(self) -> tuple[list[Node], int]:
        """What the file holds, and the size of its user block."""
        answer = self._answer()
        if not isinstance(answer.get("nodes"), list):
            raise Unreadable("an HDF5 file that cannot be read")
        return [node_from(each) for each in answer["nodes"]], int(answer["userblock"])

    def write(self, orders: Orders) -> None:
        """Have the copy written."""
        try:
            send(self._hears, orders)
        except OSError:
            raise Unreadable("an HDF5 file on which its reader fails") from None
        if "written" not in self._answer():
            raise Unreadable("an HDF5 file that cannot be read")

    def _answer(self) -> dict[str, Any]:
        answer = receive(self._says)
        if answer is None:
            raise Unreadable("an HDF5 file on which its reader fails")
        if "refused" in answer:
            raise Held(f"an HDF5 file with {answer['refused']}")
        if "leak" in answer:
            raise Held("a removed value is still in the file", f"object {answer['leak']}")
        if "target" in answer:
            raise TargetError(answer["target"])
        if "damaged" in answer:
            raise Unreadable(f"an HDF5 file: {answer['damaged']}")
        return answer


@contextmanager
def conversation(source: Path, copy: BinaryIO) -> Iterator[Conversation]:
    """Start a child for a file; `copy` is a file of its own that it writes to. It is gone when this ends."""
    words = [sys.executable, "-P", "-m", "deid.formats.hdf5.child", str(source.resolve()), str(copy.fileno())]
    environment = {name: os.environ[name] for name in _HANDED_ON if name in os.environ} | _OURS
    with subprocess.Popen(  # noqa: S603  a module of ours, no shell
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
        pass_fds=(copy.fileno(),),
    ) as process:  # fmt: skip
        clock = threading.Timer(2 * limits.seconds(source.stat().st_size), process.kill)
        clock.daemon = True
        clock.start()
        try:
            yield Conversation(process)
        finally:
            clock.cancel()
            process.kill()


@contextmanager
def room_beside(target: BinaryIO) -> Iterator[BinaryIO]:
    """A file without a name, on the target's disk if it lies on one: what is cleaned of a large file needs its space."""
    name = getattr(target, "name", None)
    beside = Path(name).parent if isinstance(name, str) and Path(name).is_file() else None
    with ExitStack() as stack:
        try:
            copy = stack.enter_context(tempfile.TemporaryFile(dir=beside))
        except OSError as error:
            raise TargetError(error.errno) from None
        yield copy
