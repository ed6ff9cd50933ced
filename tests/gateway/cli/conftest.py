"""The command line as a user runs it: a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import BuiltArchive
from tests.forked import run_module

ROOT = Path(__file__).parents[3]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which `python -m gateway.cli` finds this checkout, and warnings are errors."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ARCHIMED", "_ARCHIMED", "PYTHON"))}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **more}


def command(*arguments: str | Path) -> list[str | Path]:
    """Return the command line's words before a shell would run them."""
    return [sys.executable, "-P", "-m", "gateway.cli", *arguments]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Give a function that runs `archimed` in the test's folder and returns what came of it."""

    def ran(*arguments: str | Path, **env: str) -> "subprocess.CompletedProcess[str]":
        if env:  # which Python may read when it starts
            done = subprocess.run(
                command(*arguments), capture_output=True, text=True, env=environment(**env), cwd=tmp_path, timeout=60,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        else:
            done = run_module("gateway.cli", arguments, tmp_path, environment())
        assert "Traceback" not in done.stderr
        return done

    return ran


@pytest.fixture
def archimed(built: BuiltArchive, run: Run) -> Run:
    """Give `run` with the configuration of the `built` archive."""
    return lambda *arguments, **env: run("--config", built.config, *arguments, **env)


def done(result: "subprocess.CompletedProcess[str]") -> str:
    """Return what a command printed that ended well and quietly."""
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def refused(result: "subprocess.CompletedProcess[str]") -> str:
    """Return the one line that a command gave for ending with status 1."""
    assert (result.returncode, result.stdout) == (1, ""), result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("archimed: ")
    return line
