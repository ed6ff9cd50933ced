"""The desk's side of the processes that draw: a few of them, each for one file at a time, and few who wait for one."""

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from catalog.filetypes.model import Look, Preview
from catalog.pure.errors import Unavailable, Unreadable
from gateway.drawing import limits, orders

_COMMAND = (sys.executable, "-P", "-m", "gateway.drawing.child")
_HANDED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
_OURS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_PATIENCE_SECONDS = 2 * limits.SECONDS
_TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Drawer:
    """A process that draws, and where it is told what."""

    process: subprocess.Popen[bytes]
    channel: socket.socket


class Drawing:
    """Draws files. One a process, shared by its threads.

    Args:
        processes: how many files are drawn at a time.
        waiting: how many more may wait for that; what comes then is sent away, and what is more than half of all for one user.
    """

    def __init__(self, processes: int, waiting: int) -> None:
        self._slots = threading.BoundedSemaphore(processes + waiting)
        self._most_of_one = max(1, (processes + waiting) // 2)
        self._of_each: Counter[str] = Counter()
        self._turn = threading.Lock()  # guards the counter
        self._idle: queue.LifoQueue[Drawer | None] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(None)
        self._closed = False

    def draw(self, path: Path, file_type: str, look: Look, want: str = "picture", *, login: str = "") -> Preview:
        """Return a look into a file.

        Args:
            path: where its bytes are.
            file_type: the type of its series, which says that it is DICOM; of all else the content says.
            look: how somebody wants it.
            want: `picture`; of a DICOM file also `frame`, the decoded pixels of one, or `explicit`, the whole file without
                compression.
            login: for whom; '' is nobody in particular, who has no share.

        Raises:
            Unreadable: it cannot be shown, and why.
            Unavailable: too many pictures are being drawn.
        """
        return self._drawn({"path": str(path.absolute()), "type": file_type, "look": asdict(look), "want": want}, None, login)

    def draw_open(self, fd: int, file_type: str, look: Look, *, login: str = "") -> Preview:
        """Return a look into an open file, of which the drawing process gets nothing but this descriptor.

        Raises:
            Unreadable, Unavailable: as `draw`.
        """
        return self._drawn({"path": "", "type": file_type, "look": asdict(look)}, fd, login)

    def _drawn(self, order: dict[str, Any], fd: int | None, login: str) -> Preview:
        with self._share(login), self._drawer() as drawer:
            answer, data = _ask(drawer, order, fd)
        if "why" in answer:
            raise Unreadable(answer["why"])
        window = (answer["window"][0], answer["window"][1]) if answer["window"] else None
        return Preview(answer["media_type"], data, answer["frame"], answer["frames"], answer["columns"], answer["rows"], window)

    def close(self) -> None:
        """End the processes that draw nothing at the moment; the others end with their picture."""
        self._closed = True
        with suppress(queue.Empty):
            while True:
                _end(self._idle.get_nowait())

    @contextmanager
    def _share(self, login: str) -> Iterator[None]:
        with self._turn:
            if login and self._of_each[login] >= self._most_of_one:
                raise Unavailable("too many pictures are being drawn for you at the moment; load the page again")
            self._of_each[login] += 1
        try:
            yield
        finally:
            with self._turn:
                self._of_each[login] -= 1
                if not self._of_each[login]:
                    del self._of_each[login]

    @contextmanager
    def _drawer(self) -> Iterator[Drawer]:
        if not self._slots.acquire(blocking=False):
            raise Unavailable("too many pictures are being drawn at the moment; load the page again")
        try:
            drawer = self._idle.get()
            sound = False
            try:
                if drawer is None or drawer.process.poll() is not None:
                    _end(drawer)
                    drawer = _start()
                yield drawer
                sound = not self._closed
            finally:
                if not sound:
                    _end(drawer)
                self._idle.put(drawer if sound else None)
        finally:
            self._slots.release()


def is_text(preview: Preview) -> bool:
    """Whether it is to be read, not seen."""
    return preview.media_type.partition(";")[0] == _TEXT


def _start() -> Drawer:
    environment = {name: os.environ[name] for name in _HANDED_ON if name in os.environ} | _OURS
    ours, theirs = orders.pair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - a module of ours, no shell
            _COMMAND, stdin=theirs.fileno(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    return Drawer(process, ours)


def _end(drawer: Drawer | None) -> None:
    if drawer is not None:
        drawer.process.kill()
        drawer.channel.close()
        with drawer.process:
            pass


def _ask(drawer: Drawer, order: dict[str, Any], fd: int | None) -> tuple[dict[str, Any], bytes]:
    says = drawer.process.stdout
    if says is None:  # never: it is asked for
        raise TypeError
    clock = threading.Timer(_PATIENCE_SECONDS, drawer.process.kill)
    clock.daemon = True
    clock.start()
    try:
        orders.send(drawer.channel, order, fd)
        line = says.readline()
        if not line:
            raise Unreadable("the process that draws it broke down")
        answer: dict[str, Any] = json.loads(line)
        return answer, says.read(answer["length"])
    except OSError:
        raise Unreadable("the process that draws it broke down") from None
    finally:
        clock.cancel()
