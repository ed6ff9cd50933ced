"""`python -m tests.gateway.http.server_process FOLDER FD WORKERS THREADS`: serves the archive below FOLDER; prints `ready`."""

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
    from gateway.http.app import make_app
    from gateway.http.credentials import Credentials, TokenBackend

    folder = Path(sys.argv[1])
    database = Database(f"sqlite:///{folder}/var/catalog.db")
    return make_app(Archive(database, LocalStore(folder / "var" / "store")), Credentials(database, [TokenBackend(database)]))


def main(factory: Callable[[], Any] = make) -> None:
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    _, _, fd, workers, threads = sys.argv
    server.run(factory, int(fd), workers=int(workers), threads=int(threads), on_ready=lambda: print("ready", flush=True))


if __name__ == "__main__":
    main()
