"""Check batches of several sizes: files a second and memory, against reading the same headers with pydicom alone.

    python -m benchmarks.checks [--files 500,2000,20000] [--size 2000]

Each runs in a process of its own over the same staged files, one after the other, with the files in the page cache for both.
Batches as a scanner sends them, and as people drop them into folders, where every file has a name.
"""

import argparse
import tempfile
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks.brought import Archive, Measured, alone, images, numbers, only
from catalog.database.tables import staged_files


def check(folder: Path, batch: int) -> None:
    """Run the check job of a batch."""
    archive = Archive(folder)
    archive.work(batch)
    info = archive.review.info(batch)
    if (info.state, info.findings) != ("checked", []):
        raise SystemExit(f"{info.state}: {info.findings}")


def read(folder: Path, batch: int) -> None:
    """Read the headers of a batch's files, all values decoded."""
    import pydicom

    archive = Archive(folder)
    for row in archive.database.rows(sa.select(staged_files.c.file).where(staged_files.c.batch_id == batch)):
        dataset = pydicom.dcmread(archive.staging.path(row.file), stop_before_pixels=True)
        if not str(dataset.PatientID):
            raise SystemExit("a file says nothing of its patient")


def measured(folder: Path, sizes: list[int], size: int) -> list[tuple[str, int, Measured]]:
    """Return what each batch took."""
    archive = Archive(folder)
    archive.prepare()
    (folder / "images").mkdir()
    found = []
    for number, count in enumerate(sizes):
        for way in ("received", "dropped"):
            study = f"{way}-{number}"
            archive.add_study(study)
            paths = images(folder / "images" / study, count, size, study=f"{1 + number}.{1 + (way == 'dropped')}")
            batch = archive.receive(study, paths) if way == "received" else archive.drop(study, paths)
            if way == "received":
                alone("benchmarks.checks", "read", folder, batch)  # into the page cache
                found.append(("pydicom", count, alone("benchmarks.checks", "read", folder, batch)))
            found.append((way, count, alone("benchmarks.checks", "check", folder, batch)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=numbers, default=[500, 2000, 20_000], help="sizes of batches")
    parser.add_argument("--size", type=int, default=2000, help="bytes of pixels a file")
    parser.add_argument("--only")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--batch", type=int)
    options = parser.parse_args()
    if options.only:
        only({"check": check, "read": read}[options.only], options)
        return
    with tempfile.TemporaryDirectory(prefix="archimed-checks-", dir=options.folder) as name:
        found = measured(Path(name), options.files, options.size)
    table = Table("", "files", "files/s", "ms CPU a file", "peak MB", "of it by the job")
    for what, count, taken in sorted(found, key=lambda one: one[0]):
        rates = (f"{count / taken.seconds:.0f}", f"{1000 * taken.cpu / count:.2f}")
        table.add_row(what, f"{count:,}", *rates, f"{taken.megabytes:.0f}", f"{taken.megabytes - taken.before:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
