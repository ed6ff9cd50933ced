"""Unix users that attack: each a process of its own under that number, that does what it is told and holds what it opened.

The numbers need no accounts: the mount is given a table that maps logins to them.
"""

import json
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_AGENT = """
import errno, json, sys
space = {}
for line in sys.stdin:
    try:
        exec(json.loads(line), space)
        answer = space.pop("answer", None)
    except OSError as error:
        answer = errno.errorcode[error.errno]
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    print(json.dumps(answer), flush=True)
"""
_TIMEOUT = 60
# The system's: other users may not be allowed to go where the virtual environment is.
PYTHON = "/usr/bin/python3"


class Person:
    """A Unix user's process."""

    def __init__(self, uid: int, *, prefix: tuple[str, ...] = (), pass_fds: tuple[int, ...] = ()) -> None:
        self.uid = uid
        self.process = subprocess.Popen(
            [*prefix, PYTHON, "-I", "-c", _AGENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/",
            user=uid, group=uid, extra_groups=[], pass_fds=pass_fds,
        )  # fmt: skip

    def do(self, code: str) -> Any:
        """Run Python; return what it leaves in `answer`, or the name of the errno it ended with."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(textwrap.dedent(code)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the process of {self.uid} ended"
        return json.loads(line)

    def end(self) -> None:
        """End the process, hung or not."""
        self.process.kill()
        self.process.wait(_TIMEOUT)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def person(uid: int, *, prefix: tuple[str, ...] = (), pass_fds: tuple[int, ...] = ()) -> Iterator[Person]:
    """Give a Unix user's process, and end it."""
    someone = Person(uid, prefix=prefix, pass_fds=pass_fds)
    try:
        yield someone
    finally:
        someone.end()
