"""`python -m tests.gateway.http.server_process FOLDER FD WORKERS THREADS STALLED`: serves the archive below FOLDER.

Prints `ready`. STALLED is the seconds that a client may stall.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any

from gateway.http import server


def make() -> Any:
    from pathlib import Path

    from catalog.database import Database
    from catalog.store import LocalStore
    from catalog.view import Archive
    from gateway.credentials import Credentials, TokenBackend
    from gateway.http.app import make_app

    folder = Path(sys.argv[1])
    database = Database(f"sqlite:///{folder}/var/catalog.db")
    return make_app(Archive(database, LocalStore(folder / "var" / "store")), Credentials(database, TokenBackend(database)))


def main(factory: Callable[[], Any] = make) -> None:
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    _, _, fd, workers, threads, stalled = sys.argv
    server.STALLED_SECONDS = server.HEADER_SECONDS = int(stalled)
    server.run(factory, int(fd), workers=int(workers), threads=int(threads), on_ready=lambda: print("ready", flush=True))


if __name__ == "__main__":
    main()
