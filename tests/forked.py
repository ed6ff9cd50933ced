"""Programs of this project as processes of their own, forked from one that has imported everything.

Python needs a second of processor time to import what a command or a server needs, and hundreds of tests start some. What tests
the start itself (its environment, its signals) runs `python -m` instead.
"""

import atexit
import multiprocessing
import os
import runpy
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
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


def _as_main(module: str, arguments: Sequence[str]) -> None:
    sys.argv = [module, *arguments]
    warnings.resetwarnings()
    warnings.simplefilter("error")
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
