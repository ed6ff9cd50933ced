"""Writing into the staging mount beside ext4 and Debian's bindfs, in one run.

    .venv/bin/python -m benchmarks.staging [--rounds 3] [--files 20000] [--folder /tmp] [--listed 50000]

`benchmarks/staging.md` has figures. Each figure is the median of the rounds; the places take turns.

    staging        the mount: close returns when bytes and name would survive a power cut
    ext4 durable   a folder of the same disk, with what the mount promises: fsync of each file and of its folder
    ext4           the same folder, and nothing promised
    bindfs         Debian's, over the same folder: what the way through FUSE and back costs in C, and nothing promised
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

from catalog.database import Database, migrate
from tests.archimedfs.mounts import RunningMount, running_staging
from tests.behaviour.dropping import STUDY, fill
from tests.builders import BuiltArchive

BIG_BYTES = 1_000_000_000
CHUNK = os.urandom(1 << 20)
SMALL = os.urandom(200_000)


def write(path: Path, chunks: list[bytes], *, durable: bool) -> None:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    for chunk in chunks:
        os.write(fd, chunk)
    if durable:
        os.fsync(fd)
    os.close(fd)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def write_big(folder: Path, *, durable: bool) -> None:
    write(folder / "big", [CHUNK] * (BIG_BYTES // len(CHUNK)), durable=durable)


def write_many(count: int) -> Callable[..., None]:
    def work(folder: Path, *, durable: bool) -> None:
        for number in range(count):
            write(folder / f"{number:05d}", [SMALL], durable=durable)

    return work


def measure(work: Callable[..., None], folder: Path, *, durable: bool) -> float:
    folder.mkdir()
    os.sync()
    begun = time.perf_counter()
    work(folder, durable=durable)
    taken = time.perf_counter() - begun
    shutil.rmtree(folder)
    os.sync()
    return taken


def list_all(folder: Path) -> int:
    with os.scandir(folder) as entries:
        return sum(entry.stat().st_size >= 0 for entry in entries)


def measure_listing(count: int, places: dict[str, Path]) -> Table:
    """Fill a folder of each place with small files, and list them twice with their attributes, as `ls -l` does."""
    table = Table(f"{count:,} files in one folder", "made", "first listing", "second")
    for place, folder in places.items():
        folder.mkdir()
        marks = [time.perf_counter()]
        for number in range(count):
            write(folder / f"{number:05d}", [b"x"], durable=False)
        marks.append(time.perf_counter())
        for _ in range(2):
            assert list_all(folder) == count
            marks.append(time.perf_counter())
        made, *listed = (after - before for before, after in pairwise(marks))
        table.add_row(place, f"{count / made:,.0f} files/s", *(f"{took:.2f} s" for took in listed))
        shutil.rmtree(folder)
    return table


def memory(mount: RunningMount) -> str:
    status = Path(f"/proc/{mount.process.pid}/status").read_text()
    return next(line.split(":")[1].strip() for line in status.splitlines() if line.startswith("RssAnon"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--listed", type=int, default=0, help="also list so many files in one folder")
    parser.add_argument("--folder", type=Path, default=Path("/tmp"))
    asked = parser.parse_args()
    works = {
        "one file of 1 GB": (write_big, lambda s: f"{BIG_BYTES / s / 1e6:,.0f} MB/s"),
        f"{asked.files:,} files of 200 kB": (write_many(asked.files), lambda s: f"{asked.files / s:,.0f} files/s"),
    }
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=asked.folder)))
        database = Database(f"sqlite:///{root}/var/catalog.db")
        migrate.upgrade(database)
        stack.callback(database.close)
        mount = stack.enter_context(running_staging(fill(BuiltArchive(database, root)), "anna", root / "mount"))
        (root / "plain").mkdir()
        places = {
            "staging": (mount.path / STUDY, False), "ext4 durable": (root / "plain", True), "ext4": (root / "plain", False),
        }  # fmt: skip
        if shutil.which("bindfs"):
            (root / "bound").mkdir()
            subprocess.run(["bindfs", root / "plain", root / "bound"], check=True)
            stack.callback(subprocess.run, ["fusermount3", "-u", root / "bound"], check=True)
            places["bindfs"] = (root / "bound", False)
        table = Table("what", *places, "staging / durable", "staging / ext4", "staging / bindfs")
        for name, (work, figure) in works.items():
            taken: dict[str, list[float]] = {place: [] for place in places}
            for _ in range(asked.rounds):
                for place, (folder, durable) in places.items():
                    taken[place].append(measure(work, folder / "E001", durable=durable))
            median = {place: statistics.median(times) for place, times in taken.items()}
            ratios = [
                median["staging"] / median[place] if place in median else 0 for place in ("ext4 durable", "ext4", "bindfs")
            ]
            table.add_row(name, *(figure(median[place]) for place in places), *(f"{ratio:.2f}" for ratio in ratios))
        Console(width=160).print(table)
        if asked.listed:
            folders = {place: folder / "LISTED" for place, (folder, durable) in places.items() if not durable}
            Console(width=160).print(measure_listing(asked.listed, folders))
        print("memory of the mount:", memory(mount), "; load:", os.getloadavg()[0])


if __name__ == "__main__":
    main()
