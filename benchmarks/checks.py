"""Check a batch of many files: files a second and memory, against reading the same headers with pydicom alone.

    python -m benchmarks.checks [--files 20000] [--size 40000]

Each of the two runs in a process of its own over the same staged files, one after the other, with the files in the page cache
for both. A small batch is checked first, so that the growth of memory with the number of files is seen.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from catalog import administration
from catalog.audit import Actor
from catalog.database import Database, migrate
from catalog.database.tables import staged_files
from catalog.gate.desk import Desk
from catalog.gate.intake import Intake
from catalog.gate.staging import Staging
from catalog.gate.worker import Worker
from catalog.pure.access import Role
from catalog.store import LocalStore
from gateway.deidentification import StandardDeidentification
from tests.synthetic import image

ROOT = Actor("benchmark")
SMALL = 500
SERIES_FILES = 200


def fill(folder: Path, files: int, size: int, study: str) -> int:
    """Bring files to the gate and seal them; return the batch."""
    database, staging = opened(folder)
    migrate.upgrade(database)
    staging.prepare()
    store = LocalStore(folder / "store")
    store.prepare()
    (folder / "deid.key").write_text("ab" * 32)
    administration.create_study(database, store, ROOT, study)
    administration.add_user(database, ROOT, f"ada{study}", Role.STANDARD)
    administration.add_source(database, ROOT, f"MR{study}", ae_title=f"MR{study}", reviewers=[f"ada{study}"], study=study)
    intake = Intake(database, staging)
    source = intake.source_for(f"MR{study}", "127.0.0.1")
    assert source is not None
    side = max(16, int((size / 2) ** 0.5))
    pixels = np.zeros(side * side, "<u2").tobytes()
    for number in range(files):
        series, instance = 1 + number // SERIES_FILES, 1 + number % SERIES_FILES
        incoming = intake.begin(source)
        content = image(series=series, instance=instance, pixels=pixels, Rows=side, Columns=side, study=study)
        os.write(incoming.fd, content)
        incoming.commit(f"{study}.{series}.{instance}")
    intake.close()
    desk = Desk(database, staging, ROOT, None)
    batch = desk.list()[-1].id
    desk.seal(batch)
    database.close()
    return batch


def opened(folder: Path) -> tuple[Database, Staging]:
    return Database(f"sqlite:///{folder}/catalog.db"), Staging(folder / "staging")


def check(folder: Path, batch: int) -> None:
    """Run the check job of a batch."""
    database, staging = opened(folder)
    deidentification = StandardDeidentification(folder / "deid.key")
    worker = Worker(
        database, staging, LocalStore(folder / "store"), deidentification, quiet_seconds=60, keep_rejected_seconds=0
    )
    assert worker.run_one(threading.Event(), batch)
    info = Desk(database, staging, ROOT, None).info(batch)
    assert (info.state, info.findings) == ("checked", []), info.findings
    database.close()


def read(folder: Path, batch: int) -> None:
    """Read the headers of a batch's files, all values decoded."""
    import pydicom

    database, staging = opened(folder)
    for row in database.rows(sa.select(staged_files.c.file).where(staged_files.c.batch_id == batch)):
        dataset = pydicom.dcmread(staging.path(row.file), stop_before_pixels=True)
        assert str(dataset.PatientID), dataset.SOPInstanceUID
    database.close()


def measured(what: str, folder: Path, batch: int) -> dict[str, float]:
    """Run one of the two in a process of its own; return its seconds and megabytes."""
    script = [sys.executable, "-m", "benchmarks.checks", "--only", what, "--folder", str(folder), "--batch", str(batch)]
    done = subprocess.run(script, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def only(what: str, folder: Path, batch: int) -> None:
    begun, cpu = time.monotonic(), time.process_time()
    {"check": check, "read": read}[what](folder, batch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.monotonic() - begun, "cpu": time.process_time() - cpu, "megabytes": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=40_000)
    parser.add_argument("--only")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--batch", type=int)
    options = parser.parse_args()
    if options.only:
        only(options.only, options.folder, options.batch)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = fill(folder, SMALL, options.size, "1")
        large = fill(folder, options.files, options.size, "2")
        measured("read", folder, large)  # into the page cache
        plain = measured("read", folder, large)
        before = measured("check", folder, small)
        checked = measured("check", folder, large)
    for label, found, count in (("pydicom", plain, options.files), ("check", checked, options.files), ("check", before, SMALL)):
        print(
            f"{label:8} {count:6} files {count / found['seconds']:8.0f} files/s {1000 * found['cpu'] / count:6.2f} ms CPU/file "
            f"{found['megabytes']:6.0f} MB"
        )
    cpu, seconds = (checked[what] / plain[what] for what in ("cpu", "seconds"))
    print(f"check : pydicom = {cpu:.2f} in CPU time, {seconds:.2f} in time")
    print(f"memory of {options.files} files against {SMALL}: {checked['megabytes'] - before['megabytes']:+.0f} MB")


if __name__ == "__main__":
    main()
