"""Batches of many MR images at the gate of a new archive, for the benchmarks of what happens there; and a job run alone."""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from catalog import administration
from catalog.audit import Actor
from catalog.database import Database, migrate
from catalog.gate.deadlines import Deadlines
from catalog.gate.drops.inbox import Inboxes
from catalog.gate.drops.quota import Limits
from catalog.gate.receive.intake import Intake
from catalog.gate.review.decisions import Review
from catalog.gate.staged.area import Staging
from catalog.pure.access import Role
from catalog.store.local import LocalStore
from gateway.deidentification import StandardDeidentification
from gateway.wiring import make_worker
from tests.synthetic import image

ROOT = Actor("benchmark")
EXAM = "E001"
SERIES_FILES = 200
_THREADS = 16


@dataclass(frozen=True, slots=True)
class Measured:
    """What a job took in a process of its own.

    `megabytes` is the peak of its memory, `before` what was there before the job began; `own` is what it had at the end that is
    no mapped file: SQLite maps the catalogue, so that its pages count while the machine has room for them.
    """

    seconds: float
    cpu: float
    megabytes: float
    before: float
    own: float


class Archive:
    """An archive in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database(f"sqlite:///{folder}/catalog.db")
        self.staging = Staging(folder / "staging")
        self.store = LocalStore(folder / "store")
        self.review = Review(self.database, self.staging, ROOT, None)

    def prepare(self) -> None:
        """Make it."""
        migrate.upgrade(self.database)
        self.staging.prepare()
        self.store.prepare()
        (self.folder / "deid.key").write_text("ab" * 32)
        administration.add_user(self.database, ROOT, "ada", Role.STANDARD)

    def add_study(self, study: str) -> None:
        """Make a study with a scanner of its own."""
        administration.create_study(self.database, self.store, ROOT, study)
        administration.add_grant(self.database, ROOT, "ada", study)
        administration.add_source(self.database, ROOT, f"MR{study}", ae_title=f"MR{study}", reviewers=["ada"], study=study)

    def receive(self, study: str, paths: list[Path]) -> int:
        """Bring files as a scanner sends them, on many associations; return their sealed batch."""
        intake = Intake(self.database, self.staging)
        source = intake.source_for(f"MR{study}", "127.0.0.1")
        if source is None:
            raise SystemExit("there is no source")

        def bring(path: Path) -> None:
            incoming = intake.begin(source)
            os.write(incoming.fd, path.read_bytes())
            incoming.commit(path.name)

        with ThreadPoolExecutor(_THREADS) as threads:
            for _ in threads.map(bring, paths):
                pass
        intake.close()
        return self._sealed()

    def drop(self, study: str, paths: list[Path]) -> int:
        """Bring files as the staging mount leaves them, under names in folders; return their sealed batch."""
        inboxes = Inboxes(self.database, self.staging, Limits())
        inboxes.of(administration.principal(self.database, "ada")).make_folder((study, EXAM))
        (key,) = set(self.staging.all_drops()) - {path.name for path in self._sealed_drops()}
        tree = self.staging.drop(key).path / "tree"
        for number, path in enumerate(paths):
            folder = tree / f"series {number // SERIES_FILES}"
            folder.mkdir(exist_ok=True)
            os.link(path, folder / f"IM{number:06d}.dcm")
        inboxes.close()
        return self._sealed()

    def _sealed_drops(self) -> list[Path]:
        drops = self.folder / "staging" / "drops"
        return [path for path in drops.iterdir() if not (path / "open").exists()]

    def _sealed(self) -> int:
        batch = self.review.list()[-1].id
        self.review.seal(batch)
        return batch

    def work(self, batch: int) -> None:
        """Run the one job that a batch has."""
        deidentification = StandardDeidentification(self.folder / "deid.key")
        deadlines = Deadlines(self.database, self.staging, quiet_seconds=60, keep_rejected_seconds=0)
        worker = make_worker(self.database, self.staging, self.store, deidentification, deadlines)
        if not worker.run_one(threading.Event(), batch):
            raise SystemExit("there was nothing to do")


def images(folder: Path, count: int, size: int, study: str = "1") -> list[Path]:
    """Write MR images, 200 a series: all different, `size` bytes of noise each."""
    folder.mkdir()
    noise = np.random.default_rng(7)
    side = max(16, int((size // 2) ** 0.5))
    paths = []
    for number in range(count):
        pixels = noise.integers(0, 4096, (side, side), np.uint16).tobytes()
        path = folder / f"{number}.dcm"
        series, instance = 1 + number // SERIES_FILES, 1 + number % SERIES_FILES
        path.write_bytes(image(study=study, series=series, instance=instance, pixels=pixels, Rows=side, Columns=side))
        paths.append(path)
    return paths


def alone(module: str, what: str, folder: Path, batch: int) -> Measured:
    """Run one of a module's jobs in a process of its own; the module ends in `only`."""
    script = [sys.executable, "-m", module, "--only", what, "--folder", str(folder), "--batch", str(batch)]
    done = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True)
    return Measured(**json.loads(done.stdout))


def only(job: Callable[[Path, int], None], options: argparse.Namespace) -> None:
    """Run a job and print what it took."""
    before = _memory("VmHWM")
    begun, cpu = time.monotonic(), time.process_time()
    job(options.folder, options.batch)
    taken = Measured(
        time.monotonic() - begun, time.process_time() - cpu, _memory("VmHWM"), before, _memory("RssAnon")
    )  # fmt: skip
    print(json.dumps(asdict(taken)))


def numbers(text: str) -> list[int]:
    """Return what `--files 2000,20000` says."""
    return [int(part) for part in text.split(",")]


def _memory(what: str) -> float:
    # Not getrusage: its maximum outlives exec, and so is that of the process that started this one.
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{what}:"))
    return int(line.split()[1]) / 1024
