"""Threads for what would keep the device waiting: disks and servers. They end with the process, whatever they wait for."""

import queue
import threading
from collections.abc import Callable


class Workers:
    """A few threads that do one thing after the other; made as they are needed.

    Args:
        name: what the threads are called.
        most: so many things are done at once; the others wait.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Condition()
        self._threads = 0
        # Threads that have nothing to do; below 0: so many things wait for one.
        self._free = 0
        self._is_stopped = False

    def do(self, work: Callable[[], None]) -> None:
        """Have something done, which raises nothing; not any more after `stop`."""
        with self._lock:
            if self._is_stopped:
                return
            if self._free > 0:
                self._free -= 1
            elif self._threads < self._most:
                self._threads += 1
                # As daemons: one that waits for a dead server may not keep the process from ending.
                threading.Thread(target=self._run, args=[work], name=self._name, daemon=True).start()
                return
            else:
                self._free -= 1
        self._work.put(work)

    def stop(self, seconds: float) -> bool:
        """Begin nothing more, and wait so long for what was begun; return whether all is done."""
        with self._lock:
            self._is_stopped = True
            return self._lock.wait_for(lambda: self._free == self._threads, seconds)

    def _run(self, work: Callable[[], None]) -> None:
        while True:
            work()
            with self._lock:
                self._free += 1
                self._lock.notify_all()
            work = self._work.get()
