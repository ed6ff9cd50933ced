"""`python -m tests.gateway.http.server_process FOLDER FD WORKERS THREADS STALLED STORE`: serves the archive below FOLDER.

Prints `ready`. STALLED is the seconds that a client may stall; STORE is `local`, or `ranges` for one
without descriptors, or `beside` for the local one with another tree beside the studies.
`serve` does the same in a process that is forked.
"""

import logging
import socket
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gateway.http import server


def make(folder: Path, store: str) -> Any:
    from catalog.audit import Keeper
    from catalog.view import Archive
    from gateway.config import load
    from gateway.credentials import Credentials, TokenBackend
    from gateway.http.app import Front
    from gateway.http.metrics import Metrics
    from gateway.wiring import open_archive, open_database, open_http_parts, open_store
    from tests.stores import RangeStore
    from tests.trees import FIXED

    config = load(folder / "archimed.toml")
    database = open_database(config)
    keeper = Keeper(database)
    keeper.start()
    credentials = Credentials(database, TokenBackend(database), refusals=keeper.refusals)
    metrics = Metrics()
    archive = open_archive(config, database, keeper)
    if store == "ranges":
        archive = Archive(database, RangeStore(config.store.path), keeper.reads)
    if store == "beside":
        archive = Archive(database, open_store(config), keeper.reads, [FIXED])
    parts = open_http_parts(config, database, archive, metrics)
    return Front(parts, credentials, metrics, at_end=keeper.stop)


def serve(
    folder: Path, listener: socket.socket, workers: int, threads: int, stalled: int, store: str, on_ready: Connection
) -> None:
    """Serve until the process is ended; say so on `on_ready` once requests are answered."""
    _run(partial(make, folder, store), listener.detach(), workers, threads, stalled, lambda: on_ready.send("ready"))


def _run(factory: Callable[[], Any], fd: int, workers: int, threads: int, stalled: int, on_ready: Callable[[], None]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    server.STALLED_SECONDS = server.HEADER_SECONDS = stalled
    server.run(factory, fd, workers=workers, threads=threads, on_ready=on_ready)


def main() -> None:
    _, folder, fd, workers, threads, stalled, store = sys.argv
    numbers = (int(fd), int(workers), int(threads), int(stalled))
    _run(partial(make, Path(folder), store), *numbers, lambda: print("ready", flush=True))


if __name__ == "__main__":
    main()
