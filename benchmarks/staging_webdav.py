"""PUT into staging beside wsgidav's own file system provider, both on gunicorn gthread, in one run; see `benchmarks/webdav.md`.

    nice .venv/bin/python -m benchmarks.staging_webdav [--rounds 3] [--files 2000]

Each server has one worker process with eight threads, on the same disk. Staging makes each file durable before it answers;
wsgidav's provider leaves that to the kernel, so its rounds end with one syncfs(2), which is measured too. Beside it stands the
same with an fsync(2) of each file and its folder before the answer: what it would take to promise what staging promises.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.webdav import PASSWORD, STOCK, Client, Server
from catalog import durable
from catalog.administration import Actor, Scope, create_token
from catalog.database import Database, migrate
from tests.behaviour.dropping import STUDY, fill
from tests.builders import BuiltArchive

MEGABYTE = os.urandom(1_000_000)
BIG_MEGABYTES = 1_000
SMALL_BYTES = 200_000
CLIENTS = 8

# wsgidav writes in place, so a file that breaks off counts; but what it says it has, it has.
SYNCED = """
import os
from wsgidav.fs_dav_provider import FileResource
def sync(self, *, with_errors):
    for path in (self._file_path, os.path.dirname(self._file_path)):
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
FileResource.end_write = sync
"""

Work = Callable[[Server, str], None]


def big(server: Server, folder: str) -> None:
    Client(server).request("PUT", f"{folder}/big.raw", body=MEGABYTE, times=BIG_MEGABYTES)


def small(files: int, clients: int) -> Work:
    """Return what brings so many files of 200 kB over so many connections."""

    def one(server: Server, folder: str, numbers: range) -> None:
        client = Client(server)
        for number in numbers:
            client.request("PUT", f"{folder}/{number:05d}.dcm", body=MEGABYTE[:SMALL_BYTES])

    def many(server: Server, folder: str) -> None:
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(lambda first: one(server, folder, range(first, files, clients)), range(clients)))

    return many


def synced(folder: Path, files: int) -> float:
    """Return the seconds in which a loop writes the same files, each durable before the next: the pace of the disk itself."""
    folder.mkdir()
    began = time.perf_counter()
    for number in range(files):
        durable.write_file(folder / f"{number:05d}.dcm", [MEGABYTE[:SMALL_BYTES]])
    return time.perf_counter() - began


def measure(rounds: int, files: int, roots: dict[Server, tuple[str, Path]]) -> Table:
    table = Table(title="PUT over WebDAV")
    table.add_column("")
    for server in roots:
        table.add_column(server.name, justify="right")
    first, *others = roots
    for server in others:
        table.add_column(f"times as fast as {server.name}", justify="right")
    works: list[tuple[str, Work, Callable[[float], str]]] = [
        ("PUT of 1 GB", big, lambda took: f"{BIG_MEGABYTES / took / 1000:.2f} GB/s"),
        (f"PUT of {files:,} x 200 kB, 1 connection", small(files, 1), lambda took: f"{files / took:,.0f} /s"),
        (f"PUT of {files:,} x 200 kB, {CLIENTS} connections", small(files, CLIENTS), lambda took: f"{files / took:,.0f} /s"),
    ]
    for name, work, figure in works:
        took: dict[Server, list[float]] = {server: [] for server in roots}
        peaks: dict[Server, float] = {}
        for _ in range(rounds):
            for server, (folder, disk) in roots.items():
                Client(server).request("MKCOL", folder)
                server.forget_peak()
                began = time.perf_counter()
                work(server, folder)
                durable.sync_filesystem(disk)
                took[server].append(time.perf_counter() - began)
                peaks[server] = max(peaks.get(server, 0.0), server.peak_megabytes())
                Client(server).request("DELETE", folder)
                durable.sync_filesystem(disk)
        medians = {server: statistics.median(each) for server, each in took.items()}
        cells = [f"{figure(median)}, peak {peaks[server]:.0f} MB" for server, median in medians.items()]
        table.add_row(name, *cells, *(f"{medians[server] / medians[first]:.2f}" for server in others))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=2_000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="archimed-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        (folder / "plain").mkdir()
        (folder / "synced").mkdir()
        database = Database(f"sqlite:///{folder}/var/catalog.db")
        migrate.upgrade(database)
        built = fill(BuiltArchive(database, folder))
        token = create_token(built.database, Actor("root"), "anna", [Scope.STAGING], None)
        database.close()
        stock = STOCK.replace('"/archive"', '"/staging"').replace('"readonly": True', '"readonly": False')
        servers = {
            Server("archimed", ["-m", "benchmarks.webdav_server", name], token, "/staging"): f"/staging/{STUDY}/E001",
            Server("wsgidav", ["-c", stock, f"{name}/plain"], PASSWORD, "/staging"): "/staging/E001",
            Server("wsgidav, synced", ["-c", SYNCED + stock, f"{name}/synced"], PASSWORD, "/staging"): "/staging/E001",
        }
        try:
            roots = {server: (root, folder) for server, root in servers.items()}
            Console(width=150).print(measure(wanted.rounds, wanted.files, roots))
            took = synced(folder / "loop", wanted.files)
            Console().print(f"the same files, each written and synced with its name by a loop: {wanted.files / took:,.0f} /s")
        finally:
            for server in servers:
                server.stop()


if __name__ == "__main__":
    main()
