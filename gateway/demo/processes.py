"""The appliance, the mount and the scanner, as child processes that end with the demo, however it ends."""

import contextlib
import json
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from catalog.pure.errors import Unavailable
from gateway.supervisor import die_with_parent

_START_SECONDS = 60
_STOP_SECONDS = 60


class Program:
    """A program in the background that says with its first line that it is there."""

    def __init__(self, arguments: Sequence[str], log: Path, *, first_line: str) -> None:
        """Start it and wait for a first line that begins so; what it writes on stderr goes into `log`.

        Raises:
            Unavailable: it ended, with its last words, or said nothing in time.
        """
        self._log = log
        with log.open("ab") as errors:
            # A session of its own: Ctrl-C reaches the demo alone, which stops the rest in order.
            self._process = subprocess.Popen(  # noqa: S603 - a module of ours, no shell
                [sys.executable, "-m", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - the demo has no threads then
            )  # fmt: skip
        self._input, self._output = (cast("IO[bytes]", pipe) for pipe in (self._process.stdin, self._process.stdout))
        self.first_line = ""
        try:
            self.first_line = self._read_line(time.monotonic() + _START_SECONDS) if first_line else ""
            if not self.first_line.startswith(first_line):
                raise Unavailable(self._last_words())
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def ask(self, line: str) -> str:
        """Write a line to the program and return its answer.

        Raises:
            Unavailable: it does not answer any more.
        """
        with contextlib.suppress(BrokenPipeError):
            self._input.write(line.encode() + b"\n")
        answer = self._output.readline().decode()
        if not answer:
            raise Unavailable(self._last_words())
        return answer

    def wait(self) -> int:
        """Wait until it ends by itself and return its exit status."""
        return self._process.wait()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._process.terminate()
        try:
            self._process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._input.close()
        self._output.close()

    def _read_line(self, deadline: float) -> str:
        said = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            while selector.select(max(0.0, deadline - time.monotonic())):
                piece = self._output.read(1)
                if piece in {b"", b"\n"}:
                    break
                said += piece
        return said.decode()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        words = lines[-1].removeprefix("archimed: ") if lines else "it says nothing"
        return f"{words} (see {self._log})"


def appliance(config: Path, log: Path) -> Program:
    """Start `archimed serve`; its first line names the addresses."""
    return Program(["gateway.cli", "--config", str(config), "serve"], log, first_line="ready ")


def mount(config: Path, mountpoint: Path, login: str, log: Path) -> Program:
    """Start `archimed mount`."""
    arguments = ["gateway.cli", "--config", str(config), "mount", str(mountpoint), "--user", login, "--foreground"]
    return Program(arguments, log, first_line="mounted ")


class Scanner:
    """The sender, with its address book."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def send(self, files: Sequence[Path]) -> list[int]:
        """Send files on one association and return the status of each."""
        statuses: list[int] = json.loads(self._program.ask(json.dumps([str(file) for file in files])))
        return statuses


@contextmanager
def scanner(address: str, calling: str, called: str, log: Path) -> Iterator[Scanner]:
    """Give a scanner that sends to HOST:PORT."""
    host, _, port = address.rpartition(":")
    with Program(["gateway.demo.sender", host.strip("[]"), port, calling, called], log, first_line="") as program:
        yield Scanner(program)
