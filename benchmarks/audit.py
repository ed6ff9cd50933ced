"""What the audit of reads costs, and the mount for all users beside the mount for one and ext4, in one run.

    nice .venv/bin/python -m benchmarks.audit [--rounds 7] [--folder /tmp]

Needs root (for other users' folders and for dropping caches). `benchmarks/audit.md` has figures. States of the caches:

    cold     names, attributes and pages dropped, mount made anew
    warm     the same again at once
"""

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.mount import archive, drop_caches, resident
from catalog.administration import principal
from catalog.audit import Face, Keeper, Reader, Wanted, list_reads, record, verify
from catalog.view import Archive, View
from tests.archimedfs.mounts import RunningMount, running_mount
from tests.behaviour.suite import add_many
from tests.builders import BuiltArchive

READ = "S1/E1/001_DCM_MR_read"
LISTED = "S1/E1/002_DCM_MR_listed"
READ_FILES, READ_BYTES = 5_000, 20_000
LISTED_FILES = 20_000
USERS, STUDIES = 100, 10
FIRST_UID = 62_000
ENTRIES = 50_000
WALK = "import os\nfor top, folders, files in os.walk('.'):\n    for name in files: os.stat(os.path.join(top, name))\n"


def fill(built: BuiltArchive, plain: Path) -> None:
    noise = random.Random(1)
    built.user("anna")
    built.study("S1")
    built.grant("anna", "S1")
    for begin in range(0, READ_FILES, 500):
        built.add_series(READ, {f"{number:05d}.dcm": noise.randbytes(READ_BYTES) for number in range(begin, begin + 500)})
    add_many(built, LISTED, (f"{number:05d}.dcm" for number in range(LISTED_FILES)))
    (plain / LISTED).mkdir(parents=True)
    for number in range(LISTED_FILES):
        (plain / LISTED / f"{number:05d}.dcm").write_bytes(b"x")


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def read_all(folder: Path) -> None:
    for file in sorted(folder.iterdir()):
        file.read_bytes()


def read_through_mounts(built: BuiltArchive, folder: Path, rounds: int) -> tuple[float, float, list[float]]:
    """Return seconds with and without the audit, and the ratio of each pair; the two take turns, in changing order."""
    taken: dict[str, list[float]] = {"10": [], "0": []}
    for turn in range(rounds):
        for option in ("10", "0") if turn % 2 else ("0", "10"):
            with running_mount(built, "anna", folder / "mount", "--audit-seconds", option) as mount:
                taken[option].append(seconds(lambda mount=mount: read_all(mount.path / READ)))
    return (
        statistics.median(taken["10"]), statistics.median(taken["0"]),
        [on / off for on, off in zip(taken["10"], taken["0"], strict=True)],
    )  # fmt: skip


def open_through_view(built: BuiltArchive, rounds: int) -> tuple[float, float]:
    """Return microseconds of an open and close in the view with and without counting."""
    keeper = Keeper(built.database)
    user = principal(built.database, "anna")
    whole = built.view("anna")
    ids = [node.id for node in whole.walk(whole.resolve(READ).id)]
    taken: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(rounds):
        for counted in (True, False) if turn % 2 else (False, True):
            view = Archive(built.database, built.store, keeper.reads if counted else None).view(user, Face.MOUNT)

            def work(view: View = view) -> None:
                for node in ids:
                    opened = view.open(node, "python3")
                    opened.count(READ_BYTES)
                    opened.close()

            taken[counted].append(seconds(work) / len(ids) * 1e6)
    return statistics.median(taken[True]), statistics.median(taken[False])


@contextlib.contextmanager
def everyones(built: BuiltArchive, logins: dict[str, int]) -> Iterator[RunningMount]:
    # A folder of its own that all may pass.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        accounts = Path(name) / "accounts.json"
        accounts.write_text(json.dumps(logins))
        with running_mount(built, "all", Path(name) / "mount", "--accounts", str(accounts)) as mount:
            yield mount


def as_user(uid: int, folder: Path, command: list[str]) -> None:
    # Not by `cwd`, which is entered as root: a user's folder is closed to root as well.
    enter = ["sh", "-c", 'cd "$0" && exec "$@"', str(folder)]
    subprocess.run([*enter, *command], user=uid, group=uid, extra_groups=[], stdout=subprocess.DEVNULL, check=True)


def list_everywhere(built: BuiltArchive, folder: Path, plain: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    taken: dict[str, dict[str, list[float]]] = {}
    command = ["ls", "-lR", "."]

    def both(name: str, uid: int, where: Path) -> None:
        for state in ("cold", "warm"):
            if state == "cold":
                drop_caches()
            taken.setdefault(name, {}).setdefault(state, []).append(seconds(lambda: as_user(uid, where, command)))

    for _ in range(rounds):
        with everyones(built, {"anna": FIRST_UID}) as mount:
            both("all users", FIRST_UID, mount.path / "anna" / LISTED)
        with running_mount(built, "anna", folder / "mount") as mount:
            both("one user", 0, mount.path / LISTED)
        both("ext4", 0, plain / LISTED)
    return taken


def memory(built: BuiltArchive) -> tuple[int, int]:
    """Return kB of the process before and after 100 users have walked their 10 studies of 100 files."""
    for number in range(STUDIES):
        built.study(f"M{number}")
        add_many(built, f"M{number}/E1/001_DCM_MR_m", (f"{file:05d}.dcm" for file in range(100)))
    logins = {}
    for number in range(USERS):
        login = f"u{number}"
        built.user(login)
        logins[login] = FIRST_UID + 1 + number
        for study in range(STUDIES):
            built.grant(login, f"M{study}")
    with everyones(built, logins) as mount:
        before = resident(mount.process.pid)
        for login, uid in logins.items():
            as_user(uid, mount.path / login, ["/usr/bin/python3", "-I", "-c", WALK])
        return before, resident(mount.process.pid)


def flush(built: BuiltArchive) -> float:
    """Return seconds to write down what 500 readers and series were counted with."""
    keeper = Keeper(built.database)
    for number in range(500):
        keeper.reads.opened(Reader("anna", "", Face.MOUNT, "python3", number % 9 + 1_000 * number))
    return seconds(keeper.flush)


def chain(built: BuiltArchive) -> tuple[float, float]:
    """Return microseconds an entry to write (in one transaction) and to verify."""

    def write() -> None:
        with built.database.write() as connection:
            for number in range(ENTRIES):
                record(connection, actor="root", action="grant.add", study="S1", subject=f"user{number}", detail={"a": number})

    written = seconds(write)
    return written / ENTRIES * 1e6, seconds(lambda: verify(built.database)) / ENTRIES * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    asked = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("run it as root: it acts as several users and drops caches")
    console = Console(width=140)
    with archive(asked.folder) as (built, folder):
        plain = folder / "plain"
        fill(built, plain)
        on, off, ratios = read_through_mounts(built, folder, asked.rounds)
        console.print(
            f"read {READ_FILES} files of {READ_BYTES} bytes: {on / READ_FILES * 1e6:.0f} µs with the audit, "
            f"{off / READ_FILES * 1e6:.0f} without; ratio of pairs {statistics.median(ratios):.3f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}); rows: {len(list_reads(built.database, Wanted()))}"
        )
        counted, plainly = open_through_view(built, asked.rounds)
        console.print(f"open and close in the view: {counted:.1f} µs counted, {plainly:.1f} not; ratio {counted / plainly:.3f}")
        console.print(f"500 rows written down in {flush(built) * 1e3:.0f} ms")
        wrote, verified = chain(built)
        console.print(f"an entry of the audit: {wrote:.0f} µs to write among many, {verified:.1f} µs to verify")
        table = Table(f"ls -lR, {LISTED_FILES} files", "cold", "warm")
        for name, states in list_everywhere(built, folder, plain, asked.rounds).items():
            table.add_row(name, *(f"{statistics.median(states[state]):.2f} s" for state in ("cold", "warm")))
        console.print(table)
        before, after = memory(built)
        console.print(f"memory: {before} kB mounted, {after} kB after {USERS} users walked {STUDIES} studies each")


if __name__ == "__main__":
    main()
