"""The name of the program behind a request, for the audit: as the kernel knows it, and so as its user called it."""

import time
from pathlib import Path

# A program that opens a thousand files is asked for its name once. A process that becomes another program (exec) is called by
# its old name for so long at most.
_SECONDS = 0.5
_MOST = 256


class Programs:
    """Names of processes. Belongs to the thread of the event loop."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[float, str]] = {}

    def name(self, pid: int) -> str:
        """Return the name of a thread's process, '' if it is gone or of another machine or container (pid 0)."""
        now = time.monotonic()
        until, name = self._names.get(pid, (0.0, ""))
        if until < now:
            if len(self._names) >= _MOST:
                self._names.clear()
            name = _read(pid)
            self._names[pid] = (now + _SECONDS, name)
        return name


def _read(pid: int) -> str:
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
        # The request is a thread's; threads may have names of their own.
        leader = int(status.partition(b"\nTgid:")[2].split(b"\n", 1)[0])
        name = Path(f"/proc/{leader}/comm").read_bytes()
    except (OSError, ValueError):
        return ""
    return name.decode("utf-8", "replace").rstrip("\n")
