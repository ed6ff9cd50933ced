"""A staging mount for all tests of a module, each in an exam of its own."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archimedfs.mounts import TIMEOUT, RunningMount, running_staging
from tests.behaviour.dropping import STUDY, fill
from tests.builders import BuiltArchive, built_in

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def staging_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltArchive]:
    """Give the suite's archive."""
    with built_in(tmp_path_factory.mktemp("archive")) as built:
        yield fill(built)


@pytest.fixture(scope="module")
def staged(staging_archive: BuiltArchive) -> Iterator[RunningMount]:
    """Give anna's staging mount; nothing may have been logged in the end."""
    with running_staging(staging_archive, "anna", staging_archive.folder / "staged") as mount:
        yield mount
    assert mount.log == ""
    assert mount.process.returncode == 0


@pytest.fixture
def exam(staged: RunningMount) -> Path:
    """Give the folder of a new exam."""
    folder = staged.path / STUDY / f"T{next(_numbers):04d}"
    folder.mkdir()
    return folder


def run(*command: str | Path, cwd: Path, may_complain: bool = False) -> str:
    """Run a program, which must succeed without a complaint, and return what it printed."""
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=4 * TIMEOUT, env=environment)
    assert done.returncode == 0, done.stderr
    assert may_complain or not done.stderr, done.stderr
    return done.stdout
