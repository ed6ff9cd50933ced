"""Publishing with de-identification, end to end, against copying the same files with one fsync each.

    nice .venv/bin/python -m benchmarks.publish [--files 2000,20000] [--size 200000] [--folder /tmp]

A batch of MR images is put into staging as a receiver leaves it, checked and accepted; the clock runs from the start of the
publish job, in a process of its own, to its last transaction. The peer copies the same files to the same disk: `cp` and an
fsync for each file and its folder. They take turns, size by size.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.brought import EXAM, Archive, Measured, alone, images, numbers, only

STUDY = "2008-0003"


def publish(folder: Path, batch: int) -> None:
    """Run the publish job of a batch."""
    archive = Archive(folder)
    archive.work(batch)
    info = archive.review.info(batch)
    if info.state != "published" or any(finding["check"] == "publish" for finding in info.findings):
        raise SystemExit(f"{info.state}: not all files were published")


def published(folder: Path, paths: list[Path]) -> Measured:
    """Return what the publish job of these files takes in a new archive."""
    archive = Archive(folder)
    archive.prepare()
    archive.add_study(STUDY)
    batch = archive.receive(STUDY, paths)
    archive.work(batch)  # the checks
    archive.review.accept(batch, STUDY, EXAM)
    archive.database.close()
    os.sync()
    return alone("benchmarks.publish", "publish", folder, batch)


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
    parser.add_argument("--files", type=numbers, default=[2000, 20_000], help="sizes of batches")
    parser.add_argument("--size", type=int, default=200_000, help="bytes of pixels a file")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where all is made: thrice the files")
    parser.add_argument("--only")
    parser.add_argument("--batch", type=int)
    options = parser.parse_args()
    if options.only:
        only(publish, options)
        return
    table = Table(
        "",
        "files",
        "s",
        "files/s",
        "MB/s",
        "ms CPU a file",
        "peak MB",
        "of it its own",
        title=f"files of {options.size:,} bytes",
    )
    for count in options.files:
        with tempfile.TemporaryDirectory(prefix="archimed-publish-", dir=options.folder) as name:
            root = Path(name)
            paths = images(root / "sources", count, options.size)
            for way in ("archive", "copies"):
                (root / way).mkdir()
            taken = published(root / "archive", paths)
            peer = copied(root / "copies", paths)
        for what, seconds, more in (
            ("publish", taken.seconds, (f"{1000 * taken.cpu / count:.2f}", f"{taken.megabytes:.0f}", f"{taken.own:.0f}")),
            ("cp + fsync", peer, ("", "", "")),
        ):
            rate = (f"{seconds:.1f}", f"{count / seconds:.0f}", f"{count * options.size / seconds / 1e6:.0f}")
            table.add_row(what, f"{count:,}", *rate, *more)
        print(f"{count:,} files: publish takes {taken.seconds / peer:.2f} of cp + fsync")
    Console().print(table)


if __name__ == "__main__":
    main()
