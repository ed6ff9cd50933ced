"""The server under measure: `python -m benchmarks.webdav_server FOLDER FD`, logging as in production but to nowhere."""

import sys
from pathlib import Path
from typing import Any

from gateway import logs
from gateway.http import server


def make() -> Any:
    from gateway.config import load
    from gateway.credentials import Credentials, TokenBackend
    from gateway.http.app import Front
    from gateway.http.metrics import Metrics
    from gateway.wiring import open_archive, open_database, open_http_parts

    config = load(Path(sys.argv[1], "archimed.toml"))
    database = open_database(config)
    credentials = Credentials(database, TokenBackend(database))
    metrics = Metrics()
    return Front(open_http_parts(config, database, open_archive(config, database), metrics), credentials, metrics)


if __name__ == "__main__":
    logs.configure("http")
    server.run(make, int(sys.argv[2]), workers=1, threads=8, on_ready=lambda: None)
