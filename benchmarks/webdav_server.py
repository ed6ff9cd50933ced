"""The server under measure: `python -m benchmarks.webdav_server FOLDER FD`, logging as in production but to nowhere."""

import sys
from pathlib import Path
from typing import Any

from gateway import logs
from gateway.http import server


def make() -> Any:
    from catalog.database import Database
    from catalog.store import LocalStore
    from catalog.view import Archive
    from gateway.credentials import Credentials, TokenBackend
    from gateway.http.app import make_app

    folder = Path(sys.argv[1])
    database = Database(f"sqlite:///{folder}/var/catalog.db")
    return make_app(Archive(database, LocalStore(folder / "var" / "store")), Credentials(database, TokenBackend(database)))


if __name__ == "__main__":
    logs.configure("http")
    server.run(make, int(sys.argv[2]), workers=1, threads=8, on_ready=lambda: None)
