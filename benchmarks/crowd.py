"""Small requests beside readers who do not read, on one server in one run; see `benchmarks/webdav.md`.

    nice .venv/bin/python -m benchmarks.crowd [--requests 300]

One worker process with eight threads. Each crowd is connections that have asked for a large file, or for a listing, and read
nothing or a little now and then. Figures are p50 and p99 of HEAD and PROPFIND with a crowd, by those without it.
"""

import argparse
import base64
import http.client
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.builders import built_in
from tests.gateway.http.serving import Serving

SERIES = "S1/E1/001_MR_RAW"
BIG_BYTES = 64 << 20
SLOW_BYTES, SLOW_SECONDS = 2000, 1.0


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300)
    count = parser.parse_args().requests
    table = Table("crowd", "HEAD p50", "HEAD p99", "PROPFIND p50", "PROPFIND p99")
    with tempfile.TemporaryDirectory() as folder, built_in(Path(folder)) as built:
        built.user("anna")
        built.study("S1")
        built.grant("anna", "S1")
        built.add_series(SERIES, {"big.bin": b"b" * BIG_BYTES, "small.bin": b"s" * 1000})
        with Serving(built, threads=8) as serving:
            alone = measured(serving, count)
            table.add_row("nobody", *(f"{seconds * 1000:.1f} ms" for seconds in alone))
            for name, number, slow in (
                ("30 readers of 2 kB/s", 30, True), ("40 open files that nobody reads", 40, False),
                ("64 connections that do not read", 64, False),
            ):  # fmt: skip
                with crowd(serving, number, slow=slow):
                    beside = measured(serving, count)
                table.add_row(name, *(f"x {one / other:.2f}" for one, other in zip(beside, alone, strict=True)))
    Console().print(table)


@contextmanager
def crowd(serving: Serving, number: int, *, slow: bool) -> Iterator[None]:
    """Hold so many downloads open; `slow` reads a little now and then."""
    ended = threading.Event()
    with ExitStack() as held:
        connections = [held.enter_context(socket.create_connection(("127.0.0.1", serving.port))) for _ in range(number)]
        request = f"GET /archive/{SERIES}/big.bin HTTP/1.1\r\nHost: x\r\nAuthorization: {serving.authorization}\r\n\r\n"
        for connection in connections:
            connection.sendall(request.encode())
            connection.recv(1)

        def read() -> None:
            while not ended.wait(SLOW_SECONDS):
                for connection in connections:
                    connection.recv(SLOW_BYTES)

        thread = threading.Thread(target=read)
        if slow:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            if slow:
                thread.join()


def measured(serving: Serving, count: int) -> list[float]:
    """Return p50 and p99 of HEAD and of PROPFIND, in seconds."""
    login = base64.b64encode(f"{serving.login}:{serving.token}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=120)
    found = []
    for method, path in (("HEAD", f"/archive/{SERIES}/small.bin"), ("PROPFIND", f"/archive/{SERIES}/")):
        times = []
        for _ in range(count):
            began = time.perf_counter()
            connection.request(method, path, headers={"Authorization": f"Basic {login}", "Depth": "1"})
            connection.getresponse().read()
            times.append(time.perf_counter() - began)
        cuts = statistics.quantiles(times, n=100)
        found += [cuts[49], cuts[98]]
    connection.close()
    return found


if __name__ == "__main__":
    main()
