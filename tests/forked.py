"""Programs of this project as processes of their own, forked from one that has imported everything.

Python needs a second of processor time to import what a command or a server needs, and hundreds of tests start some. What tests
the start itself (its environment, its signals) runs `python -m` instead.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import reduction
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.preloaded"])


def start(function: Callable[..., Any], *arguments: Any, log: Path | None = None) -> ForkServerProcess:
    """Call a function of a module in a process of its own; what it writes to standard error is appended to `log`."""
    process = _CONTEXT.Process(target=_run, args=(function, arguments, None, None, log, log))
    process.start()
    return process


def run_module(
    module: str, arguments: Sequence[str | Path], folder: Path, environment: Mapping[str, str], timeout: float = 60
) -> "CompletedProcess[str]":
    """Do what `python -W error -m MODULE ARGUMENTS` does in a folder, and return what came of it."""
    with tempfile.TemporaryDirectory() as kept:
        out, err = Path(kept, "stdout"), Path(kept, "stderr")
        argv = [str(argument) for argument in arguments]
        process = _CONTEXT.Process(target=_run, args=(_as_main, (module, argv), folder, dict(environment), out, err))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutExpired(argv, timeout, out.read_bytes(), err.read_bytes())
        return CompletedProcess(argv, process.exitcode, out.read_text(), err.read_text())


class Program:
    """`python -m MODULE ARGUMENTS` that runs: `stdout` is a pipe, what it writes to standard error is appended to `log`."""

    def __init__(self, module: str, arguments: Sequence[str | Path], log: Path) -> None:
        self._argv = [str(argument) for argument in arguments]
        ours, theirs = os.pipe()
        self.stdout = os.fdopen(ours, "rb")
        arguments_of_main = (_with_output, (reduction.DupFd(theirs), module, self._argv))
        self._process = _CONTEXT.Process(target=_run, args=(*arguments_of_main, None, None, None, log))
        self._process.start()
        os.close(theirs)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """What it ended with; minus the number of the signal that ended it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return `returncode`."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return what with."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutExpired(self._argv, timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """End it as the supervisor does."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send_signal(signal.SIGKILL)


def _with_output(stdout: Any, module: str, arguments: Sequence[str]) -> None:
    opened = stdout.detach()
    os.dup2(opened, 1)
    os.close(opened)
    _as_main(module, arguments)


def _as_main(module: str, arguments: Sequence[str]) -> None:
    sys.argv = [module, *arguments]
    warnings.resetwarnings()
    warnings.simplefilter("error")
    # Imported before the fork: that is the point.
    warnings.filterwarnings("ignore", "'.*' found in sys.modules", RuntimeWarning)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _run(
    function: Callable[..., Any], arguments: Sequence[Any], folder: Path | None, environment: Mapping[str, str] | None,
    out: Path | None, err: Path | None,
) -> None:  # fmt: skip
    if folder is not None:
        os.chdir(folder)
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    for fd, path in ((1, out), (2, err)):
        if path is not None:
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(opened, fd)
            os.close(opened)
    try:
        function(*arguments)
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends by os._exit
