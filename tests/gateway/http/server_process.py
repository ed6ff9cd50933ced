"""`python -m tests.gateway.http.server_process FOLDER FD WORKERS THREADS STALLED STORE`: serves the archive below FOLDER.

Prints `ready`. STALLED is the seconds that a client may stall; STORE is `local`, or `ranges` for one
without descriptors, or `beside` for the local one with another tree beside the studies.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any

from gateway.http import server


def make() -> Any:
    from pathlib import Path

    from catalog.audit import Keeper
    from catalog.view import Archive
    from gateway.config import load
    from gateway.credentials import Credentials, TokenBackend
    from gateway.http.app import Front
    from gateway.http.metrics import Metrics
    from gateway.wiring import open_archive, open_database, open_http_parts, open_store
    from tests.stores import RangeStore
    from tests.trees import FIXED

    config = load(Path(sys.argv[1], "archimed.toml"))
    database = open_database(config)
    keeper = Keeper(database)
    keeper.start()
    credentials = Credentials(database, TokenBackend(database), refusals=keeper.refusals)
    metrics = Metrics()
    archive = open_archive(config, database, keeper)
    if sys.argv[6] == "ranges":
        archive = Archive(database, RangeStore(config.store.path), keeper.reads)
    if sys.argv[6] == "beside":
        archive = Archive(database, open_store(config), keeper.reads, [FIXED])
    parts = open_http_parts(config, database, archive, metrics)
    return Front(parts, credentials, metrics, at_end=keeper.stop)


def main(factory: Callable[[], Any] = make) -> None:
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    _, _, fd, workers, threads, stalled, _ = sys.argv
    server.STALLED_SECONDS = server.HEADER_SECONDS = int(stalled)
    server.run(factory, int(fd), workers=int(workers), threads=int(threads), on_ready=lambda: print("ready", flush=True))


if __name__ == "__main__":
    main()
