"""Passwords beside tokens and beside wsgidav's own, and what a flood of wrong ones costs; see `benchmarks/credentials.md`.

    nice .venv/bin/python -m benchmarks.credentials [--rounds 5]

Passwords are checked by real PAM (pam_matrix, wrong ones delayed by two seconds as pam_unix does), tokens by the catalogue.
Each server has one worker process with eight threads. The servers take turns; figures are medians of the rounds.
"""

import argparse
import base64
import http.client
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.webdav import PASSWORD, ROOT, SMALL, STOCK, Client, Server
from catalog.administration import Actor, Scope, create_token
from catalog.database import Database, migrate
from gateway.config import load
from tests.builders import BuiltArchive

REQUESTS = 1_000
FLOODED_LOGINS = 20
FLOOD_CONNECTIONS = 4
FLOODS = {"no flood": 0, "50 wrong passwords a second": 50, "as many as it takes": 1_000_000}


def build(folder: Path) -> BuiltArchive:
    """Make an archive that anna may read, whose passwords PAM knows, and the same file in a plain folder."""
    database = Database(f"sqlite:///{folder}/var/catalog.db")
    migrate.upgrade(database)
    built = BuiltArchive(database, folder)
    built.user("anna")
    for number in range(FLOODED_LOGINS):
        built.user(f"victim{number}")
    built.study("S1")
    built.grant("anna", "S1")
    built.add_series(SMALL, {"00001.dcm": b"x" * 200_000})
    plain = folder / "plain" / SMALL
    plain.mkdir(parents=True)
    (plain / "00001.dcm").write_bytes(b"x" * 200_000)
    services = folder / "pam.d"
    services.mkdir()
    (services / "passwords").write_text(f"anna:{PASSWORD}:archimed\n")
    (module,) = Path("/usr/lib").glob("*/pam_wrapper/pam_matrix.so")
    (services / "archimed").write_text(
        "auth optional pam_faildelay.so delay=2000000\n"
        f"auth required {module} passdb={services}/passwords\naccount required {module} passdb={services}/passwords\n"
    )
    text = built.config.read_text().replace("[http]\n", "[http]\nthreads = 8\n")
    trusted = '["token", "pam"]\ntrusted_proxies = ["127.0.0.1"]'
    built.config.write_text(text.replace('["token"]', trusted) + f'[auth.pam]\nfolder = "{services}"\n')
    return built


def serve(config: Path, fd: int) -> None:
    """Serve the archive as `archimed serve` does, with one worker."""
    from gateway import logs
    from gateway.credentials import Opener
    from gateway.http import server
    from gateway.http.app import Front
    from gateway.http.metrics import Metrics
    from gateway.wiring import open_archive, open_database, open_http_parts

    logs.configure("http")
    found = load(config)
    credentials = Opener(found)

    def make() -> Any:
        database, metrics = open_database(found), Metrics()
        parts = open_http_parts(found, database, open_archive(found, database), metrics)
        return Front(parts, credentials.open(database), metrics)

    server.run(make, fd, workers=1, threads=found.http.threads, on_ready=lambda: None)


def flood(port: int, rate: int) -> None:
    """Send wrong passwords, each another one, until killed; write a line for each answer."""
    numbers = itertools.count()
    began = time.perf_counter()

    def one(_: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for number in numbers:
            time.sleep(max(0.0, began + number / rate - time.perf_counter()))
            secret = base64.b64encode(f"victim{number % FLOODED_LOGINS}:wrong{number}".encode()).decode()
            headers = {"Authorization": f"Basic {secret}", "X-Forwarded-For": "192.0.2.66"}
            connection.request("HEAD", f"/archive/{SMALL}/00001.dcm", headers=headers)
            connection.getresponse().read()
            sys.stdout.write("\n")
            sys.stdout.flush()

    with ThreadPoolExecutor(FLOOD_CONNECTIONS) as pool:
        list(pool.map(one, range(FLOOD_CONNECTIONS)))


@contextmanager
def flooded(server: Server, rate: int) -> Iterator[None]:
    """Flood a server; begins when its first answers have come."""
    if not rate:
        yield
        return
    command = [sys.executable, "-m", "benchmarks.credentials", "flood", str(server.address[1]), str(rate)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    for _ in range(20):
        process.stdout.readline()
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def per_second(server: Server, connections: int = 1) -> float:
    """Return how many HEADs a second this server answers to somebody whose password is right."""

    def one(client: Client) -> None:
        for _ in range(REQUESTS // connections):
            client.request("HEAD", f"/archive/{SMALL}/00001.dcm", "X-Forwarded-For: 192.0.2.1\r\n")

    clients = [Client(server) for _ in range(connections)]
    began = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(one, clients))
    took = time.perf_counter() - began
    for client in clients:
        client.file.close()
        client.connection.close()
    return REQUESTS / took


def measure(rounds: int, servers: list[Server]) -> Table:
    """Let the servers take turns at everything."""
    cases = [(f"HEAD, {n} connection{'s' * (n > 1)}", n, "no flood") for n in (1, 8)]
    cases += [(f"HEAD, 1 connection; {name}", 1, name) for name in FLOODS]
    seen: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for server in servers:
            for name, connections, how in cases:
                with flooded(server, FLOODS[how]):
                    seen.setdefault((name, server.name), []).append(per_second(server, connections))
    table = Table(title="requests a second with credentials")
    table.add_column("")
    for server in servers:
        table.add_column(server.name, justify="right")
    for name, _, _ in cases:
        table.add_row(name, *(f"{statistics.median(seen[name, server.name]):,.0f}" for server in servers))
    for name, _, _ in cases[3:]:
        # Against the round's own figure without a flood, which was taken just before.
        kept = [[b / a for a, b in zip(seen[cases[2][0], s.name], seen[name, s.name], strict=True)] for s in servers]
        table.add_row(f"{name}: kept", *(f"{statistics.median(each):.2f}" for each in kept))
    return table


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        return serve(Path(sys.argv[2]), int(sys.argv[3]))
    if sys.argv[1:2] == ["flood"]:
        return flood(int(sys.argv[2]), int(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="archimed-bench-") as name:
        built = build(Path(name))
        token = create_token(built.database, Actor("root"), "anna", [Scope.READ], None)
        built.database.close()
        ours = ["-m", "benchmarks.credentials", "serve", str(built.config)]
        servers = [
            Server("archimed, password", ours, PASSWORD),
            Server("archimed, token", ours, token),
            Server("wsgidav, password", ["-c", STOCK, str(Path(name) / "plain")], PASSWORD),
        ]
        try:
            Console(width=150).print(measure(rounds, servers))
        finally:
            for server in servers:
                server.stop()
    return None


if __name__ == "__main__":
    main()
