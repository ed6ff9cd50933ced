"""Whether this gateway could serve now: what `/readyz` answers, and what `archimed doctor` asks too.

Names nobody and nothing of what is archived: it is shown without a login.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from archimedfs import mountpoint as mountpoints
from catalog import clock, marks
from catalog.database import Database
from catalog.generation import Generations
from catalog.jobs import waiting_jobs
from catalog.pure.errors import ArchimedError
from gateway.config import Config

LEAST_FREE = 64 * 1024 * 1024
"""Bytes below which a disk counts as full."""

_PATIENCE_SECONDS = 2.0
_MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Answer:
    """One check's answer: `facts` are figures for machines, `problem` a sentence for people, empty if all is well."""

    problem: str = ""
    facts: tuple[tuple[str, int], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as it stands in JSON."""
        return {"ok": not self.problem, **({"problem": self.problem} if self.problem else {}), **dict(self.facts)}


class Readiness:
    """Looks whether everything that a request may need is there; asked again and again."""

    def __init__(self, config: Config, database: Database, generations: Generations) -> None:
        self._config = config
        self._database = database
        self._generations = generations
        mounts = {"archive_mount": config.mounts.archive, "staging_mount": config.mounts.staging}
        self._mounts = {name: MountProbe(path) for name, path in mounts.items() if path is not None}

    def look(self) -> dict[str, Answer]:
        """Return each check's answer, by the check's name."""
        answers = self._catalogue() | {
            "store": folder(self._config.store.path, "the store"),
            "staging": folder(self._config.staging.path, "the staging folder"),
        }
        return answers | {name: probe.look() for name, probe in self._mounts.items()}

    def _catalogue(self) -> dict[str, Answer]:
        try:
            waiting, oldest = waiting_jobs(self._database)
        except ArchimedError as error:
            return {"catalogue": Answer(str(error))}
        except SQLAlchemyError:  # a connection that was cut while it was at rest
            return {"catalogue": Answer("the catalogue does not answer; try again")}
        seconds = max(0, clock.now() - oldest) if oldest is not None else 0
        # How long work waits is for a monitoring system to judge: many files are no fault.
        jobs_answer = Answer(facts=(("waiting", waiting), ("oldest_seconds", seconds)))
        return {"catalogue": Answer(), "jobs": jobs_answer} | self._places()

    def _places(self) -> dict[str, Answer]:
        try:
            problems = self._generations.problems()
        except ArchimedError as error:
            problems = [str(error)]
        return {"generation": Answer(problems[0] if problems else "")}


class MountProbe:
    """Asks a mount whether it answers, in a thread that may be left behind: who asks a mount that hangs, hangs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._asking: threading.Thread | None = None
        self._problem = ""

    def look(self) -> Answer:
        """Return whether it answers."""
        if not mountpoints.is_mounted(self._path):
            return Answer(f"nothing is mounted on {self._path}; its service's log says why")
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._ask, name="mount-probe", daemon=True)
            self._asking.start()
        self._asking.join(_PATIENCE_SECONDS)
        if self._asking.is_alive():
            return Answer(f"the mount on {self._path} does not answer; restart its service")
        return Answer(self._problem)

    def _ask(self) -> None:
        try:
            self._path.stat()
            self._problem = ""
        except OSError as error:
            self._problem = f"the mount on {self._path} is dead: {os.strerror(error.errno or 0)}; restart its service"


def folder(path: Path, what: str) -> Answer:
    """Return whether a folder of the archive's is there and its disk takes more.

    The disk, not the folder: this process may be kept from writing there on purpose.
    """
    if marks.is_missing(path):
        return Answer(f"{what} is not there, or its disk is not mounted")
    try:
        found = os.statvfs(path)
    except OSError as error:
        return Answer(f"{what} cannot be read: {os.strerror(error.errno or 0)}")
    free = found.f_bavail * found.f_frsize
    if _is_read_only(path):
        return Answer(f"the disk of {what} is mounted read-only: it may be failing")
    if free < LEAST_FREE or (found.f_files and not found.f_favail):
        return Answer(f"the disk of {what} is full", (("free_bytes", free),))
    return Answer(facts=(("free_bytes", free),))


def _is_read_only(path: Path) -> bool:
    """Whether the filesystem itself is read-only: of a mount alone, a service's sandbox makes it so."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
        about, _, rest = line.partition(" - ")
        if about.split(" ")[2] == wanted:
            return "ro" in rest.split(" ")[-1].split(",")
    return False
