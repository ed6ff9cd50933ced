"""The WebDAV door beside wsgidav's own file system provider, both on gunicorn gthread, in one run; see `benchmarks/webdav.md`.

    nice .venv/bin/python -m benchmarks.webdav [--rounds 5]

The same bytes stand in the archive and in a plain folder; each server has one worker process with eight threads and asks for
Basic credentials on every request. Figures are medians of the rounds, in which the two take turns.
"""

import argparse
import base64
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from catalog.administration import Actor, Scope, create_token
from catalog.database import Database, migrate
from tests.builders import BuiltArchive

LISTED, SMALL, BIG = "S1/E1/001_DCM_MR_listed", "S1/E1/002_DCM_MR_small", "S1/E1/003_MR_RAW_big"
LISTED_FILES = 20_000
SMALL_FILES, SMALL_BYTES = 200, 200_000
BIG_BYTES = 1_000_000_000
REQUESTS = 2_000
PASSWORD = "stock"
ROOT = Path(__file__).parents[1]

STOCK = """
import sys
from gunicorn.app.base import BaseApplication
from wsgidav.wsgidav_app import WsgiDAVApp
class Stock(BaseApplication):
    def load_config(self):
        for name, value in {"bind": f"fd://{sys.argv[2]}", "worker_class": "gthread", "threads": 8, "loglevel": "error",
                            "control_socket_disable": True, "keepalive": 15}.items():
            self.cfg.set(name, value)
    def load(self):
        return WsgiDAVApp({"provider_mapping": {"/archive": {"root": sys.argv[1], "readonly": True}}, "verbose": 1,
                           "simple_dc": {"user_mapping": {"*": {"anna": {"password": "stock"}}}},
                           "http_authenticator": {"accept_digest": False, "default_to_digest": False},
                           "logging": {"enable": False}})
Stock().run()
"""


class Server:
    """A running server; `worker` is the one process that answers."""

    def __init__(self, name: str, command: list[str], password: str, probe: str = f"/archive/{SMALL}/00001.dcm") -> None:
        self.name = name
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.address = listener.getsockname()
            self.process = subprocess.Popen(
                [sys.executable, *command, str(listener.fileno())], pass_fds=[listener.fileno()], cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        self.credentials = base64.b64encode(f"anna:{password}".encode()).decode()
        Client(self).request("GET" if "." in probe else "OPTIONS", probe)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        self.worker = int(children.split()[0])

    def forget_peak(self) -> None:
        Path(f"/proc/{self.worker}/clear_refs").write_text("5")

    def peak_megabytes(self) -> float:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.worker}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


class Client:
    """One kept-alive connection that does as little as a client can: the figures are to be the server's."""

    def __init__(self, server: Server) -> None:
        self.connection = socket.create_connection(server.address)
        self.file = self.connection.makefile("rb", buffering=1 << 20)
        self.server = server
        self.sink = bytearray(1 << 20)

    def request(self, method: str, path: str, headers: str = "", body: bytes = b"", times: int = 1) -> int:
        """Send a request, with a body of so many times `body`; return the number of bytes of the answer's body."""
        headers += f"Content-Length: {len(body) * times}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {self.server.credentials}\r\n{headers}\r\n"
        self.connection.sendall(head.encode())
        for _ in range(times):
            self.connection.sendall(body)
        status = self.file.readline()
        assert status.split()[1] in {b"200", b"201", b"204", b"207"}, status
        length: int | None = None
        while (line := self.file.readline().lower()) not in {b"\r\n", b""}:
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if method == "HEAD" or status.split()[1] == b"204":
            return 0
        return self._skip(length) if length is not None else self._skip_chunks()

    def _skip(self, length: int) -> int:
        left = length
        while left:
            got = self.file.readinto(memoryview(self.sink)[: min(left, len(self.sink))])
            assert got, "the answer ends early"
            left -= got
        return length

    def _skip_chunks(self) -> int:
        total = 0
        while size := int(self.file.readline(), 16):
            total += self._skip(size)
            self.file.readline()
        self.file.readline()
        return total


@dataclass(frozen=True)
class Work:
    """Something asked of a server; `figure` makes a text of its seconds."""

    name: str
    do: Callable[[Server], object]
    figure: Callable[[float], str]
    memory: bool = False


def listing(headers: str = "") -> Callable[[Server], int]:
    return lambda server: Client(server).request("PROPFIND", f"/archive/{LISTED}/", f"Depth: 1\r\n{headers}")


def requests(method: str, clients: int) -> Callable[[Server], None]:
    def one(server: Server) -> None:
        client = Client(server)
        for number in range(REQUESTS // clients):
            client.request(method, f"/archive/{SMALL}/{number % SMALL_FILES + 1:05d}.dcm")

    def many(server: Server) -> None:
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(one, [server] * clients))

    return many


def big(server: Server) -> int:
    return Client(server).request("GET", f"/archive/{BIG}/00001.raw")


def seconds(took: float) -> str:
    return f"{took:.3f} s"


def a_second(took: float) -> str:
    return f"{REQUESTS / took:,.0f} /s"


WORKS = [
    Work(f"PROPFIND, {LISTED_FILES:,} files, allprop", listing(), seconds, memory=True),
    Work(f"PROPFIND, {LISTED_FILES:,} files, gzip", listing("Accept-Encoding: gzip\r\n"), seconds, memory=True),
    Work("HEAD, 1 connection", requests("HEAD", 1), a_second),
    Work("GET of 200 kB, 1 connection", requests("GET", 1), a_second),
    Work("GET of 200 kB, 8 connections", requests("GET", 8), a_second),
    Work("GET of 1 GB", big, lambda took: f"{BIG_BYTES / took / 1e9:.2f} GB/s", memory=True),
]


def build(folder: Path) -> tuple[BuiltArchive, Path]:
    """Make the archive, and the same files as a plain folder."""
    database = Database(f"sqlite:///{folder}/var/catalog.db")
    migrate.upgrade(database)
    built = BuiltArchive(database, folder)
    built.user("anna")
    built.study("S1")
    built.grant("anna", "S1")
    plain = folder / "plain"
    contents = {
        LISTED: {f"{number:05d}.dcm": b"%d" % number for number in range(1, LISTED_FILES + 1)},
        SMALL: {f"{number:05d}.dcm": os.urandom(SMALL_BYTES) for number in range(1, SMALL_FILES + 1)},
        BIG: {"00001.raw": os.urandom(1000) * (BIG_BYTES // 1000)},
    }
    for path, files in contents.items():
        built.add_series(path, files)
        (plain / path).mkdir(parents=True)
        for name, content in files.items():
            (plain / path / name).write_bytes(content)
    return built, plain


def measure(rounds: int, servers: list[Server]) -> Table:
    table = Table(title="WebDAV")
    table.add_column("")
    for server in servers:
        table.add_column(server.name, justify="right")
    table.add_column("ratio", justify="right")
    for work in WORKS:
        took: dict[str, list[float]] = {server.name: [] for server in servers}
        peaks: dict[str, float] = {}
        sizes: dict[str, object] = {}
        for _ in range(rounds):
            for server in servers:
                server.forget_peak()
                began = time.perf_counter()
                sizes[server.name] = work.do(server)
                took[server.name].append(time.perf_counter() - began)
                peaks[server.name] = max(peaks.get(server.name, 0.0), server.peak_megabytes())
        medians = {name: statistics.median(each) for name, each in took.items()}
        cells = []
        for name, median in medians.items():
            size = sizes[name]
            measured = f", {size / 1e6:.1f} MB" if isinstance(size, int) and size != BIG_BYTES else ""
            cells.append(work.figure(median) + measured + (f", peak {peaks[name]:.0f} MB" if work.memory else ""))
        ours, stock = medians.values()
        table.add_row(work.name, *cells, f"{stock / ours:.2f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="archimed-bench-") as name:
        built, plain = build(Path(name))
        token = create_token(built.database, Actor("root"), "anna", [Scope.READ], None)
        built.database.close()
        servers = [
            Server("archimed", ["-m", "benchmarks.webdav_server", name], token),
            Server("wsgidav, plain folder", ["-c", STOCK, str(plain)], PASSWORD),
        ]
        try:
            Console(width=150).print(measure(rounds, servers))
        finally:
            for server in servers:
                server.stop()


if __name__ == "__main__":
    main()
