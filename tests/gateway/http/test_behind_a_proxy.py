"""The socket of a proxy on the same machine: what the proxy says of a client is believed, and of nobody else."""

import http.client
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from catalog.administration import Scope
from catalog.audit import entries
from tests.builders import BuiltArchive
from tests.gateway.http.serving import ROOT, basic, children, new_token

CLAIMED = "192.0.2.66"


class OverSocket(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("archive.example.org", timeout=30)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Door:
    """`archimed serve http` with a port and a socket; its folder has the set-gid bit."""

    def __init__(self, built: BuiltArchive, group: int) -> None:
        folder = built.folder / "door"
        folder.mkdir()
        os.chown(folder, -1, group)
        folder.chmod(0o2750)
        self.path = folder / "proxy.sock"
        text = built.config.read_text().replace("[http]\n", f'[http]\nsocket = "{self.path}"\nworkers = 1\n')
        built.config.write_text(text)
        archimed = [sys.executable, "-m", "gateway.cli", "--config", str(built.config)]
        subprocess.run([*archimed, "init"], check=True, capture_output=True, cwd=ROOT)
        with (built.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*archimed, "serve", "http"], stdout=subprocess.PIPE, stderr=log, cwd=ROOT, text=True
            )
        assert self.process.stdout is not None
        self.port = int(re.fullmatch(r"ready http=127\.0\.0\.1:(\d+)\n", self.process.stdout.readline())[1])  # type: ignore[index]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def ask(
        self, path: str, headers: Mapping[str, str] | None = None, *, over_socket: bool, method: str = "GET"
    ) -> tuple[int, str]:
        """Return the status of an answer, and its Location."""
        connection = OverSocket(self.path) if over_socket else http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("Location", "")
        finally:
            connection.close()


@pytest.fixture
def group() -> int:
    """Return a group that the folder may get: root can hand it to another than its own."""
    return 60_123 if os.geteuid() == 0 else os.getegid()


@pytest.fixture
def door(built: BuiltArchive, group: int) -> Iterator[Door]:
    built.user("anna", "standard")
    built.study("S")
    built.grant("anna", "S")
    made = Door(built, group)
    yield made
    made.stop()


def test_the_socket_is_for_its_folders_group_alone(door: Door, group: int) -> None:
    found = door.path.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, group)


def test_an_address_is_believed_of_the_proxy_and_of_nobody_else(built: BuiltArchive, door: Door) -> None:
    wrong = {"Authorization": basic("anna", "amt_wrong"), "X-Forwarded-For": CLAIMED}
    assert door.ask("/archive/", wrong, over_socket=False)[0] == 401
    assert door.ask("/archive/", wrong | {"X-Forwarded-For": f"10.0.0.1, {CLAIMED}"}, over_socket=True)[0] == 401
    door.stop()  # which writes down who was refused
    told = {(entry.subject, entry.detail["address"]) for entry in entries(built.database) if entry.action == "login.failed"}
    assert told == {("anna", "127.0.0.1"), ("anna", CLAIMED)}


def test_tls_is_believed_of_the_proxy_and_of_nobody_else(built: BuiltArchive, door: Door) -> None:
    upload = {
        "Authorization": basic("anna", new_token(built, "anna", Scope.STAGING)), "Tus-Resumable": "1.0.0",
        "Upload-Length": "10", "Upload-Metadata": "filename YS5kYXQ=", "X-Forwarded-Proto": "https",
    }  # fmt: skip
    assert door.ask("/staging/S/E1", upload, over_socket=True, method="MKCOL")[0] == 201
    places = [door.ask("/staging/S/E1", upload, over_socket=way, method="POST") for way in (True, False)]
    assert [(status, place.partition(":")[0]) for status, place in places] == [(201, "https"), (201, "http")]


@pytest.mark.parametrize("page", ["/metrics", "/readyz"])
def test_what_is_for_the_machine_alone(door: Door, page: str) -> None:
    assert door.ask(page, over_socket=False)[0] in {200, 503}
    assert door.ask(page, over_socket=True)[0] == 404
    assert door.ask(page, {"X-Forwarded-For": CLAIMED}, over_socket=False)[0] == 404, "through a proxy that nobody named"
    assert door.ask("/healthz", {"X-Forwarded-For": CLAIMED}, over_socket=True)[0] == 200


def test_the_socket_outlives_the_part_that_serves_it(door: Door) -> None:
    (part,) = children(door.process.pid)
    os.kill(part, signal.SIGTERM)  # it ends in order, which would take a path of its own with it
    while part in children(door.process.pid):
        pass
    # The parent goes on listening: who comes now waits.
    assert door.ask("/healthz", over_socket=True)[0] == 200
