"""Publishing with de-identification, end to end, against copying the same files with one fsync each.

    nice .venv/bin/python -m benchmarks.publish [--files 20000] [--size 200000] [--folder /tmp] [--rounds 1]

A batch of MR images is put into staging as a receiver leaves it; the clock runs from the start of the publish job to its
last transaction. The peer copies the same files to the same disk: `cp` and an fsync for each file and its folder. They take
turns.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from catalog import administration
from catalog.audit import Actor
from catalog.database import Database, migrate
from catalog.gate.desk import Desk
from catalog.gate.intake import Intake
from catalog.gate.staging import Staging
from catalog.gate.worker import Worker
from catalog.pure.access import Role
from catalog.store import LocalStore
from gateway.deidentification import StandardDeidentification
from tests.synthetic import image

STUDY, EXAM = "2008-0003", "E001"
ROOT = Actor("benchmark")
A_SERIES = 200


def sources(folder: Path, count: int, size: int) -> list[Path]:
    """Write the images that are brought: all different, `size` bytes of noise each."""
    noise = np.random.default_rng(7)
    side = max(16, int((size // 2) ** 0.5))
    paths = []
    for number in range(count):
        pixels = noise.integers(0, 4096, (side, side), np.uint16).tobytes()
        path = folder / f"{number}.dcm"
        series, instance = 1 + number // A_SERIES, 1 + number % A_SERIES
        path.write_bytes(image(series=series, instance=instance, pixels=pixels, Rows=side, Columns=side))
        paths.append(path)
    return paths


def published(folder: Path, paths: list[Path]) -> float:
    """Return seconds the publish job takes."""
    database = Database(f"sqlite:///{folder}/catalog.db")
    migrate.upgrade(database)
    staging, store = Staging(folder / "staging"), LocalStore(folder / "store")
    staging.prepare()
    store.prepare()
    (folder / "deid.key").write_text("ab" * 32)
    administration.create_study(database, store, ROOT, STUDY)
    administration.add_user(database, ROOT, "ada", Role.STANDARD)
    administration.add_source(database, ROOT, "MR1", ae_title="MR1", reviewers=["ada"])
    intake = Intake(database, staging)
    source = intake.source_for("MR1", "127.0.0.1")
    if source is None:
        raise SystemExit("there is no source")
    for path in paths:
        incoming = intake.begin(source)
        os.write(incoming.fd, path.read_bytes())
        incoming.commit(path.name)
    intake.close()
    desk = Desk(database, staging, ROOT, None)
    worker = Worker(
        database, staging, store, StandardDeidentification(folder / "deid.key"), quiet_seconds=60, keep_rejected_seconds=0
    )
    (batch,) = desk.list()
    desk.seal(batch.id)
    worker.run_one(threading.Event())  # the checks
    desk.accept(batch.id, STUDY, EXAM)
    os.sync()
    began = time.perf_counter()
    worker.run_one(threading.Event())
    seconds = time.perf_counter() - began
    if sum(1 for _ in store.manifests(STUDY)) != len(paths):
        raise SystemExit("not all files were published")
    database.close()
    return seconds


def copied(folder: Path, paths: list[Path]) -> float:
    """Return seconds that copying takes, with each file and its name durable."""
    os.sync()
    began = time.perf_counter()
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for path in paths:
        target = folder / path.name
        shutil.copyfile(path, target)
        fd = os.open(target, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        os.fsync(directory)
    os.close(directory)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=200_000, help="bytes of pixels a file")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where all is made: thrice the files")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    ways = {"publish": published, "cp + fsync": copied}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory(prefix="archimed-publish-", dir=options.folder) as root:
        (Path(root) / "sources").mkdir()
        paths = sources(Path(root) / "sources", options.files, options.size)
        for _ in range(options.rounds):
            for name, way in ways.items():
                folder = Path(tempfile.mkdtemp(dir=root))
                taken[name].append(way(folder, paths))
                shutil.rmtree(folder)
    table = Table("", "s", "files/s", "MB/s", title=f"{options.files:,} files of {options.size:,} bytes")
    for name, seconds in taken.items():
        middle = statistics.median(seconds)
        table.add_row(
            name, f"{middle:.1f}", f"{options.files / middle:.0f}", f"{options.files * options.size / middle / 1e6:.0f}"
        )
    Console().print(table)
    print(f"publish takes {statistics.median(taken['publish']) / statistics.median(taken['cp + fsync']):.2f} of cp + fsync")


if __name__ == "__main__":
    main()
