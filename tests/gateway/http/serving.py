"""The real server as a process of its own, on a free port, and a client that hides nothing."""

import base64
import http.client
import multiprocessing
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from catalog.administration import Actor, Scope, create_token
from tests.builders import BuiltArchive
from tests.forked import start
from tests.gateway.http import server_process

ROOT = Path(__file__).parents[3]
DEPTH_1 = {"Depth": "1"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def basic(login: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{login}:{secret}".encode()).decode()


def new_token(built: BuiltArchive, login: str, *scopes: Scope, expires: int | None = None) -> str:
    return create_token(built.database, Actor("root"), login, scopes or [Scope.READ], expires)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Serving:
    """A running server on the archive in `built`; `authorization` is what `request` sends unless told otherwise: anna's."""

    def __init__(
        self,
        built: BuiltArchive,
        *,
        login: str = "anna",
        scopes: Sequence[Scope] = (Scope.READ,),
        workers: int = 1,
        threads: int = 4,
        stalled: int = 60,
        store: str = "local",
    ) -> None:
        self.built = built
        self.login = login
        self.token = new_token(built, login, *scopes)
        self.authorization = basic(login, self.token)
        self.log = built.folder / "http.log"
        ready, theirs = multiprocessing.Pipe(duplex=False)
        with socket.create_server(("127.0.0.1", 0)) as listener, ready, theirs:
            self.port: int = listener.getsockname()[1]
            how = (workers, threads, stalled, store, theirs)
            self.process = start(server_process.serve, built.folder, listener, *how, log=self.log)
            theirs.close()
            self._wait_for(ready)
        self.url = f"http://127.0.0.1:{self.port}"

    def _wait_for(self, ready: Connection) -> None:
        try:
            ready.recv()
        except EOFError:
            raise AssertionError(self.log.read_text()) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """End it as the supervisor does; return its exit status."""
        self.process.terminate()
        self.process.join(30)
        assert self.process.exitcode is not None, "the server does not end"
        return self.process.exitcode

    def kill(self) -> None:
        """Kill it and its workers, as a power cut would."""
        assert self.process.pid is not None
        for pid in (self.process.pid, *children(self.process.pid)):
            os.kill(pid, signal.SIGKILL)
        self.stop()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        anonymous: bool = False,
    ) -> Reply:
        """Send one request on a connection of its own."""
        sent = dict(headers or {})
        if not anonymous:
            sent.setdefault("Authorization", self.authorization)
        connection = self.connect()
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are, and return all that comes until the server closes."""
        told = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            # It may close before it has read all, which resets the connection; what it said before comes all the same.
            with suppress(ConnectionError):
                connection.sendall(data)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while part := connection.recv(65536):
                    told += part
        return told
