"""Five minutes of ratios, beside those of the last release: what became worse by more than the noise.

    make bench QUICK=1
    .venv/bin/python -m benchmarks.quick [--rounds 5] [--folder /tmp] [--keep FILE]

Each figure is ours divided by a peer's that did the same in the same round (ext4; bindfs, where it is installed; wsgidav; the
sqlite3 module), so that it says something on any machine and under any load; the median of the rounds counts. Noise is half the
distance of the quartiles. `benchmarks/release.json` has the figures of the last release; `--keep` writes this run's.
"""

import argparse
import contextlib
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import mount as whole
from benchmarks import webdav
from catalog.administration import Actor, Scope, create_token
from catalog.database import Database, migrate
from tests.archimedfs.mounts import running_mount
from tests.builders import BuiltArchive

RELEASE = Path(__file__).with_name("release.json")
SERIES, LISTED, BIG = webdav.SMALL, webdav.LISTED, webdav.BIG
SLICES = "S1/E1/004_DCM_CT_slices"
LISTED_FILES, SMALL_FILES, SMALL_BYTES, BIG_BYTES = 20_000, 200, 200_000, 200_000_000
READERS = 8
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figure:
    """A ratio, smaller is better: its median and its noise."""

    ratio: float
    noise: float

    def is_worse_than(self, before: "Figure") -> bool:
        """Whether the difference is more than both noises and a twentieth."""
        return self.ratio - before.ratio > self.noise + before.noise + before.ratio / 20


def figure_of(ratios: list[float]) -> Figure:
    """Return the median of the rounds, and half the distance of their quartiles."""
    if len(ratios) < 2:
        return Figure(ratios[0], 0.0)
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Figure(middle, (high - low) / 2)


def clocked(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def open_and_read(folder: Path) -> None:
    for number in range(1, SMALL_FILES + 1):
        fd = os.open(folder / f"{number:05d}.dcm", os.O_RDONLY)
        os.read(fd, 4096)
        os.close(fd)


def scan(folder: Path) -> None:
    with os.scandir(folder) as entries:
        assert sum(entry.stat().st_size >= 0 for entry in entries) == LISTED_FILES


# A process a reader: threads of one would wait for each other.
_READ_ALL = """
import os, sys
buffer = bytearray(1 << 20)
for _ in range(3):
    for entry in sorted(os.listdir(sys.argv[1])):
        fd = os.open(sys.argv[1] + "/" + entry, os.O_RDONLY)
        while os.readv(fd, [buffer]):
            pass
        os.close(fd)
"""


def many_readers(folder: Path) -> None:
    readers = [subprocess.Popen([sys.executable, "-c", _READ_ALL, folder]) for _ in range(READERS)]
    assert not any(reader.wait() for reader in readers)


def read_big(path: Path) -> None:
    buffer = bytearray(1 << 20)
    fd = os.open(path, os.O_RDONLY)
    while os.readv(fd, [buffer]):
        pass
    os.close(fd)


def processor_seconds(pid: int) -> float:
    """Return what a process has used of the processors."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


MOUNT_WORKS: dict[str, Callable[[Path], float]] = {
    "mount: SimpleITK, 500 slices": lambda root: whole.read_series(root / SLICES),
    "mount: open, read 4 kB, close": lambda root: clocked(lambda: open_and_read(root / SERIES)),
    "mount: scandir + stat of 20,000": lambda root: clocked(lambda: scan(root / LISTED)),
    "mount: eight readers": lambda root: clocked(lambda: many_readers(root / SERIES)),
    "mount: one large file": lambda root: clocked(lambda: read_big(root / BIG / "00001.raw")),
}


@contextlib.contextmanager
def bindfs(plain: Path, mountpoint: Path) -> Iterator[Path | None]:
    """Give the plain folder through another FUSE file system, written in C; None where it is not installed."""
    program = shutil.which("bindfs")
    if program is None:
        yield None
        return
    mountpoint.mkdir(exist_ok=True)
    subprocess.run([program, "-r", plain, mountpoint], check=True)
    try:
        yield mountpoint
    finally:
        subprocess.run(["fusermount3", "-u", "-z", mountpoint], check=True)


def measure_mount(built: BuiltArchive, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return ratios to ext4 and to bindfs: warm, and with a mount made anew."""
    plain = folder / "plain"
    ratios: dict[str, list[float]] = {}
    for _ in range(rounds):
        with running_mount(built, "anna", folder / "mount") as mount, bindfs(plain, folder / "bindfs") as other:
            places = {"ours": mount.path, "ext4": plain} | ({"bindfs": other} if other else {})
            for name, work in MOUNT_WORKS.items():
                first = {place: work(path) for place, path in places.items()}
                before = processor_seconds(mount.process.pid)
                warm = {place: work(path) for place, path in places.items()}
                if "SimpleITK" in name:
                    used = processor_seconds(mount.process.pid) - before
                    ratios.setdefault(f"{name}: processor / ext4's time", []).append(used / warm["ext4"])
                for state, took in (("new", first), ("warm", warm)):
                    for peer in set(places) - {"ours"}:
                        ratios.setdefault(f"{name}, {state} / {peer}", []).append(took["ours"] / took[peer])
    return ratios


def measure_webdav(built: BuiltArchive, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return ratios to wsgidav's time, one connection."""
    token = create_token(built.database, Actor("root"), "anna", [Scope.READ], None)
    servers = [
        webdav.Server("ours", ["-m", "benchmarks.webdav_server", str(folder)], token),
        webdav.Server("wsgidav", ["-c", webdav.STOCK, str(folder / "plain")], webdav.PASSWORD),
    ]
    ratios: dict[str, list[float]] = {}
    try:
        for _ in range(rounds):
            for name, work in (("HEAD", webdav.requests("HEAD", 1)), ("GET of 200 kB", webdav.requests("GET", 1))):
                ours, theirs = (clocked(lambda work=work, server=server: work(server)) for server in servers)
                ratios.setdefault(f"webdav: {name} / wsgidav", []).append(ours / theirs)
    finally:
        for server in servers:
            server.stop()
    return ratios


def measure_look_up(built: BuiltArchive, rounds: int) -> dict[str, list[float]]:
    """Return the ratio of a look-up to the sqlite3 module's own look-up in the same file."""
    view = built.view("anna")
    series = view.resolve(LISTED).id
    names = [f"{number:05d}.dcm" for number in range(1, LISTED_FILES + 1, 7)]
    plain = sqlite3.connect(built.database.url.database or "")
    text = "SELECT id, name, size FROM files WHERE series_id = ? AND name_key = ?"
    ratios = []
    for _ in range(rounds):
        ours = clocked(lambda: [view.lookup(series, name) for name in names])
        theirs = clocked(lambda: [plain.execute(text, (series.row, name)).fetchone() for name in names])
        ratios.append(ours / theirs)
    plain.close()
    return {"catalogue: look-up / sqlite3": ratios}


def build(folder: Path) -> BuiltArchive:
    """Make the archive, and the same files as a plain folder."""
    database = Database(f"sqlite:///{folder}/var/catalog.db")
    migrate.upgrade(database)
    built = BuiltArchive(database, folder)
    built.user("anna")
    built.study("S1")
    built.grant("anna", "S1")
    contents = {
        LISTED: {f"{number:05d}.dcm": b"%d" % number for number in range(1, LISTED_FILES + 1)},
        SERIES: {f"{number:05d}.dcm": os.urandom(SMALL_BYTES) for number in range(1, SMALL_FILES + 1)},
        BIG: {"00001.raw": os.urandom(1000) * (BIG_BYTES // 1000)},
        SLICES: whole.slices(),
    }
    for path, files in contents.items():
        built.add_series(path, files)
        (folder / "plain" / path).mkdir(parents=True)
        for name, content in files.items():
            (folder / "plain" / path / name).write_bytes(content)
    return built


def read_release() -> dict[str, Figure]:
    """Return the figures of the last release, none if there are none yet."""
    if not RELEASE.exists():
        return {}
    return {name: Figure(**each) for name, each in json.loads(RELEASE.read_text(encoding="utf-8")).items()}


def report(found: dict[str, Figure], before: dict[str, Figure]) -> tuple[Table, list[str]]:
    """Return a table, and what became worse."""
    table = Table("ours / a peer's; smaller is better", "now", "noise", "last release", "")
    worse = []
    for name, figure in found.items():
        former = before.get(name)
        word = "new"
        if former is not None:
            word = "worse" if figure.is_worse_than(former) else "better" if former.is_worse_than(figure) else ""
        if word == "worse":
            worse.append(name)
        table.add_row(name, f"{figure.ratio:.2f}", f"±{figure.noise:.2f}", f"{former.ratio:.2f}" if former else "", word)
    return table, worse


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where 1 GB is made and removed")
    parser.add_argument("--keep", type=Path, help="write the figures here, as those of a release")
    asked = parser.parse_args()
    console = Console(width=140)
    with tempfile.TemporaryDirectory(prefix="archimed-bench-", dir=asked.folder) as name:
        folder = Path(name)
        with console.status("making the files"):
            built = build(folder)
        with console.status("measuring"):
            ratios = measure_look_up(built, asked.rounds)
            ratios |= measure_webdav(built, folder, asked.rounds)
            ratios |= measure_mount(built, folder, asked.rounds)
        built.database.close()
    found = {name: figure_of(each) for name, each in sorted(ratios.items())}
    table, worse = report(found, read_release())
    console.print(table)
    console.print(
        f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; a figure is worse when it is by more than noise"
    )
    if asked.keep:
        kept = {name: {"ratio": round(each.ratio, 3), "noise": round(each.noise, 3)} for name, each in found.items()}
        asked.keep.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    for name in worse:
        console.print(f"worse than at the last release: {name}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
