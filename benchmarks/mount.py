"""The archive mount beside the same files on ext4, in one run: listing, reading, SimpleITK, memory.

    .venv/bin/python -m benchmarks.mount [--rounds 3] [--folder /tmp]

`benchmarks/mount.md` has figures and says where the time goes. Each figure is the median of the rounds; mount and ext4 take
turns. States of the caches:

    cold     page cache, names and attributes dropped (needs root), mount made anew
    store    mount made anew, so that the kernel asks for everything; the bytes below it are in the page cache
    warm     the same again at once
"""

import argparse
import contextlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from rich.console import Console
from rich.table import Table

from catalog.database import Database, migrate
from tests.archimedfs.mounts import running_mount
from tests.behaviour.suite import add_many
from tests.builders import BuiltArchive

LISTED = "S1/E1/001_DCM_MR_listed"
MANY = "S1/E1/002_DCM_MR_many"
BIG = "S1/E1/003_MR_RAW_big"
SLICES = "S1/E1/004_DCM_CT_slices"
WALKED = [f"S1/E2/{number:03d}_DCM_MR_walked" for number in range(1, 6)]
LISTED_FILES = 20_000
MANY_FILES, MANY_BYTES = 5_000, 200_000
BIG_BYTES = 1_000_000_000
SLICE_COUNT, SLICE_EDGE = 500, 512
CHUNK = 1 << 20
DROP = Path("/proc/sys/vm/drop_caches")


@dataclass(frozen=True)
class Work:
    """Something done to a folder, which returns its seconds; `figure` makes them readable."""

    name: str
    folder: str
    do: Callable[[Path], float]
    figure: Callable[[float], str]
    aim: str


def clocked(work: Callable[[Path], None]) -> Callable[[Path], float]:
    def timed(folder: Path) -> float:
        begun = time.perf_counter()
        work(folder)
        return time.perf_counter() - begun

    return timed


@clocked
def scan(folder: Path) -> None:
    with os.scandir(folder) as entries:
        count = sum(entry.stat().st_size >= 0 for entry in entries)
    assert count == LISTED_FILES, count


@clocked
def read_all(folder: Path) -> None:
    buffer = bytearray(CHUNK)
    with os.scandir(folder) as entries:
        paths = sorted(entry.path for entry in entries)
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        try:
            while os.readv(fd, [buffer]):
                pass
        finally:
            os.close(fd)


def read_series(folder: Path) -> float:
    # A process of its own: GDCM and the allocator keep things from one reading to the next.
    script = (
        "import sys, time, SimpleITK\n"
        "begun = time.perf_counter()\n"
        "reader = SimpleITK.ImageSeriesReader()\n"
        "reader.SetFileNames(reader.GetGDCMSeriesFileNames(sys.argv[1]))\n"
        f"assert reader.Execute().GetSize() == ({SLICE_EDGE}, {SLICE_EDGE}, {SLICE_COUNT})\n"
        "print(time.perf_counter() - begun)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, folder], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


WORKS = [
    Work(
        f"scandir + stat, {LISTED_FILES:,} files", LISTED, scan,
        lambda s: f"{s / LISTED_FILES * 1e6:.1f} µs/entry", "10 µs cold",
    ),
    Work(
        f"read {MANY_FILES:,} files of {MANY_BYTES // 1000} kB", MANY, read_all,
        lambda s: f"{MANY_FILES * MANY_BYTES / s / 1e9:.2f} GB/s, {s / MANY_FILES * 1e6:.0f} µs/file", "",
    ),
    Work("read one file of 1 GB", BIG, read_all, lambda s: f"{BIG_BYTES / s / 1e9:.2f} GB/s", "2 GB/s"),
    Work(f"SimpleITK, series of {SLICE_COUNT} slices", SLICES, read_series, lambda s: f"{s:.2f} s", "1.10"),
]  # fmt: skip


def drop_caches() -> None:
    os.sync()
    DROP.write_text("3", encoding="ascii")


def slices() -> dict[str, bytes]:
    """Return a phantom of a CT series, made from one of pydicom's own files."""
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    noise = np.random.default_rng(4)
    dataset.Rows = dataset.Columns = SLICE_EDGE
    made = {}
    for number in range(1, SLICE_COUNT + 1):
        dataset.PixelData = noise.integers(0, 4096, (SLICE_EDGE, SLICE_EDGE), dtype=np.int16).tobytes()
        dataset.InstanceNumber = number
        dataset.ImagePositionPatient = [0, 0, number]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3680043.8.498.{number}"
        path = Path(tempfile.gettempdir()) / f"slice-{os.getpid()}"
        dataset.save_as(path)
        made[f"{number:05d}.dcm"] = path.read_bytes()
    path.unlink()
    return made


def fill(built: BuiltArchive, plain: Path) -> None:
    """Put the same files into the archive and into a plain folder."""

    def add(series: str, contents: dict[str, bytes]) -> None:
        built.add_series(series, contents)
        (plain / series).mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (plain / series / name).write_bytes(content)

    noise = random.Random(1)
    built.user("anna")
    built.study("S1")
    built.grant("anna", "S1")
    add(LISTED, {f"{number:05d}.dcm": b"%d" % number for number in range(1, LISTED_FILES + 1)})
    for begin in range(1, MANY_FILES + 1, 500):
        add(MANY, {f"{number:05d}.dcm": noise.randbytes(MANY_BYTES) for number in range(begin, begin + 500)})
    add(BIG, {"00001.raw": os.urandom(BIG_BYTES)})
    add(SLICES, slices())
    for series in WALKED:
        add_many(built, series, (f"{number:05d}.dcm" for number in range(1, LISTED_FILES + 1)))


def measure(built: BuiltArchive, folder: Path, plain: Path, rounds: int) -> Table:
    table = Table("what", "caches", "mount", "ext4", "mount / ext4", "aim")
    for work in WORKS:
        seconds: dict[str, list[float]] = {name: [] for name in ("cold", "store", "warm", "ext4 cold", "ext4 warm")}
        for _ in range(rounds):
            if os.access(DROP, os.W_OK):
                with running_mount(built, "anna", folder / "mount") as mount:
                    drop_caches()
                    seconds["cold"].append(work.do(mount.path / work.folder))
                drop_caches()
                seconds["ext4 cold"].append(work.do(plain / work.folder))
            work.do(plain / work.folder)
            with running_mount(built, "anna", folder / "mount") as mount:
                work.do(mount.path / work.folder)  # brings what lies below the mount into the page cache
            with running_mount(built, "anna", folder / "mount") as mount:
                seconds["store"].append(work.do(mount.path / work.folder))
                seconds["warm"].append(work.do(mount.path / work.folder))
            seconds["ext4 warm"].append(work.do(plain / work.folder))
        for state, beside in (("cold", "ext4 cold"), ("store", "ext4 warm"), ("warm", "ext4 warm")):
            if seconds[state]:
                ours, theirs = statistics.median(seconds[state]), statistics.median(seconds[beside])
                ratio = f"{ours / theirs:.2f}"
                table.add_row(work.name, state, work.figure(ours), work.figure(theirs), ratio, work.aim)
    return table


def resident(pid: int) -> int:
    """Return a process's resident memory in kB, without the files it maps (the catalogue is one)."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines())
    return int(status["RssAnon"].split()[0])


def memory(built: BuiltArchive, folder: Path) -> str:
    def walk(path: Path) -> int:
        return sum(1 for found in path.rglob("*") if found.stat().st_size)

    with running_mount(built, "anna", folder / "mount") as mount:
        walk(mount.path / LISTED)
        before = resident(mount.process.pid)
        files = sum(walk(mount.path / series) for series in WALKED)
        after = resident(mount.process.pid)
    return f"memory of the mount's process: {before} kB after {LISTED_FILES:,} files, {after} kB after {files:,} more"


@contextlib.contextmanager
def archive(below: Path) -> Iterator[tuple[BuiltArchive, Path]]:
    folder = Path(tempfile.mkdtemp(prefix="archimed-mount-", dir=below))
    database = Database(f"sqlite:///{folder}/var/catalog.db")
    try:
        migrate.upgrade(database)
        yield BuiltArchive(database, folder), folder
    finally:
        database.close()
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()), help="where 5 GB of files are made and removed"
    )
    asked = parser.parse_args()
    console = Console(width=140)
    with archive(asked.folder) as (built, folder):
        plain = folder / "plain"
        with console.status("making the files"):
            fill(built, plain)
        with console.status("measuring"):
            table = measure(built, folder, plain, asked.rounds)
        console.print(table)
        console.print(memory(built, folder))


if __name__ == "__main__":
    main()
