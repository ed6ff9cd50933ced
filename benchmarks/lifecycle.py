"""Verify, rebuild and backup beside sha256sum and cp on the same files, in one run.

    nice .venv/bin/python -m benchmarks.lifecycle [--files 20000] [--size 50000] [--folder /tmp]

The archive is built past the gate on SQLite, with manifests, so that the catalogue can be made anew. Figures are in
`benchmarks/lifecycle.md`; only their ratios mean anything elsewhere.
"""

import argparse
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from catalog import clock
from catalog.audit import Actor
from catalog.database import Database, migrate
from catalog.lifecycle.backup.create import create
from catalog.lifecycle.backup.folder import BackupFolder
from catalog.lifecycle.rebuild import rebuild
from catalog.lifecycle.verify import Verifier
from catalog.pure.generation import Mark
from catalog.store import records
from catalog.store.local import LocalStore
from tests.builders import BuiltArchive

ROOT, MARK = Actor("root"), Mark("ab" * 16, 1)
AT_ONCE = 500


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def fill(built: BuiltArchive, files: int, size: int) -> None:
    noise = random.Random(1)
    built.study("S")
    for begin in range(0, files, AT_ONCE):
        add(built, begin, min(AT_ONCE, files - begin), size, noise)


def add(built: BuiltArchive, begin: int, count: int, size: int, noise: random.Random) -> None:
    """Add one series, and the manifest that an import would leave."""
    name = f"{begin // AT_ONCE:03d}_RAW"
    content = {f"{at:05d}.raw": noise.randbytes(size) for at in range(count)}
    known = {one.digest for one in built.store.list("S", limit=1 << 30)} if begin else set()
    built.add_series(f"S/E{begin // 5000:03d}/{name}", content)
    new = [one for one in built.store.list("S", limit=1 << 30) if one.digest not in known]
    lines = (
        {
            "exam": f"E{begin // 5000:03d}", "series": name, "name": f"{at:05d}.raw", "sha256": one.digest.hex(),
            "size": one.size, "file_type": "RAW", "identity": f"{begin + at:032x}", "series_identity": f"{begin:032x}",
            "number": 1, "description": "", "acquired": None, "headers": {"Columns": at, "Rows": 256},
        }
        for at, one in enumerate(new)
    )  # fmt: skip
    records.write_manifest(built.store, "S", records.import_name(begin + 1, f"{begin:032x}"), lines)


def measured(folder: Path, files: int, size: int) -> list[tuple[str, float, str]]:
    database = Database(f"sqlite:///{folder}/var/catalog.db")
    migrate.upgrade(database)
    built = BuiltArchive(database, folder)
    fill(built, files, size)
    objects = folder / "var/store/S/objects"
    summed = f"find {objects} -type f -print0 | xargs -0 sha256sum > /dev/null"
    peer = seconds(lambda: subprocess.run(["sh", "-c", summed], check=True))
    proved = seconds(lambda: Verifier(database, built.store, round_began=clock.now()).verify("S", lambda _: None))
    copied = seconds(lambda: subprocess.run(["cp", "-r", objects, folder / "copy"], check=True))
    copied += seconds(lambda: subprocess.run(["sync", "-f", folder / "copy"], check=True))
    backup, copy = BackupFolder(folder / "backup"), LocalStore(folder / "backup/store")
    backup.prepare(MARK.archive, [])
    copy.prepare()
    first = seconds(lambda: create(database, built.store, backup, copy, MARK, ROOT))
    again = seconds(lambda: create(database, built.store, backup, copy, MARK, ROOT))
    add(built, files, 100, size, random.Random(2))
    later = seconds(lambda: create(database, built.store, backup, copy, MARK, ROOT))
    anew = Database(f"sqlite:///{folder}/anew.db")
    migrate.upgrade(anew)
    made = seconds(lambda: rebuild(anew, built.store, ROOT, lambda _: None))
    anew.close()
    database.close()
    return [
        ("sha256sum of all", peer, ""),
        ("verify", proved, f"{proved / peer:.2f} of sha256sum"),
        ("cp -r, sync", copied, ""),
        ("first backup", first, f"{first / copied:.2f} of cp"),
        ("backup, nothing new", again, f"{again / first:.3f} of the first"),
        ("backup, 100 new files", later, f"{later / first:.3f} of the first"),
        ("rebuild", made, f"{(files + 100) / made:,.0f} files/s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = parser.parse_args()
    table = Table("", "s", "")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        for what, took, ratio in measured(Path(folder), chosen.files, chosen.size):
            table.add_row(what, f"{took:.2f}", ratio)
    Console().print(table)


if __name__ == "__main__":
    main()
