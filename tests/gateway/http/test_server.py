"""The processes: ready when they are, stopped when told, figures of all, and what becomes of errors."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from catalog.database.tables import files
from tests.behaviour.suite import BIG, ODD, SERIES, SLICES, eventually, fill
from tests.builders import BuiltArchive
from tests.gateway.http.serving import ROOT, Serving, children

FILE = f"/archive/{SERIES}/00007.dcm"


def test_it_ends_with_its_requests_done(own_serving: Serving) -> None:
    connection = own_serving.connect()
    path = f"/archive/{quote(ODD)}/00001.dcm"
    connection.request("GET", path, headers={"Authorization": own_serving.authorization})
    answer = connection.getresponse()
    begun = answer.read(10)
    own_serving.process.terminate()
    assert begun + answer.read() == BIG
    connection.close()
    assert own_serving.stop() == 0
    with pytest.raises(ConnectionRefusedError):
        own_serving.request("GET", path)


def test_it_leaves_nothing_behind(own_serving: Serving) -> None:
    processes = [own_serving.process.pid, *children(own_serving.process.pid)]
    (folder,) = _figures_of(own_serving)
    assert folder.is_dir()
    own_serving.stop()
    assert not folder.exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)


def test_what_a_killed_server_left_is_removed_by_the_next(own_serving: Serving) -> None:
    (folder,) = _figures_of(own_serving)
    workers = children(own_serving.process.pid)
    own_serving.process.kill()
    own_serving.process.join()
    assert folder.is_dir()
    # The workers see within a second that nobody is there for them any more.
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    with Serving(own_serving.built):
        assert not folder.exists()


def _figures_of(serving: Serving) -> list[Path]:
    serving.request("GET", FILE)
    opened = set()
    for child in children(serving.process.pid):
        for link in Path(f"/proc/{child}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed while we looked: the connection of the request, say
                opened.add(link.readlink().parent)
    return [folder for folder in opened if folder.name.startswith("archimed-http-")]


def test_figures_are_of_all_workers_and_a_dead_one_is_replaced(built: BuiltArchive) -> None:
    with Serving(fill(built), workers=3, threads=2) as serving:
        for _ in range(60):
            assert serving.request("GET", FILE).status == 200
        counted = 'archimed_http_requests_total{method="GET",part="archive",status="200"} 60.0'
        for _ in range(10):
            assert counted in serving.request("GET", "/metrics").text
        (killed, *_) = children(serving.process.pid)
        os.kill(killed, signal.SIGKILL)
        for _ in range(60):
            assert serving.request("GET", FILE).body == SLICES["00007.dcm"]


def test_an_application_that_cannot_be_made_is_an_error_and_not_a_loop(tmp_path: Path) -> None:
    script = (
        "import socket\n"
        "from catalog.pure.errors import Unavailable\n"
        "from gateway.http import server\n"
        "def factory():\n"
        "    raise Unavailable('the catalogue does not answer')\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "try:\n"
        "    server.run(factory, listener.detach(), workers=2, threads=1, on_ready=lambda: print('ready'))\n"
        "except Unavailable as error:\n"
        "    print(error)\n"
        "finally:\n"
        "    print('cleaned up')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [
        "the HTTP server ended because its workers cannot start; the log says why",
        "cleaned up",
    ]


def test_a_socket_that_only_is_bound(built: BuiltArchive) -> None:
    """The supervisor may bind and leave listening to the server."""
    fill(built)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.gateway.http.server_process", str(built.folder), str(bound.fileno()), "1", "1",
             "60", "local"],
            pass_fds=[bound.fileno()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip
        assert process.stdout is not None
        with process:
            assert process.stdout.readline() == b"ready\n"
            with socket.create_connection(bound.getsockname()) as connection:
                connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                assert connection.recv(12) == b"HTTP/1.0 200"
            process.terminate()


def test_bytes_that_are_missing_from_the_store(own_serving: Serving) -> None:
    shutil.rmtree(own_serving.built.folder / "var" / "store" / "2008-0003" / "objects")
    reply = own_serving.request("GET", FILE)
    assert reply.status == 500
    assert "store is damaged" in reply.text
    assert own_serving.request("HEAD", FILE).status == 200


def test_a_catalogue_that_does_not_answer(own_serving: Serving) -> None:
    with own_serving.built.database.write() as connection:
        connection.execute(sa.text("alter table users rename to users_gone"))
    reply = own_serving.request("GET", FILE)
    assert reply.status == 503
    assert reply.headers["Retry-After"] == "5"
    assert own_serving.request("GET", "/healthz", anonymous=True).status == 200
    with own_serving.built.database.write() as connection:
        connection.execute(sa.text("alter table users_gone rename to users"))
    assert own_serving.request("GET", FILE).status == 200


def test_an_error_nobody_thought_of_is_one_line(own_serving: Serving) -> None:
    with own_serving.built.database.write() as connection:
        connection.execute(sa.update(files).where(files.c.size == 700).values(size="DOE^JANE"))
    reply = own_serving.request("PROPFIND", FILE, {"Depth": "0"})
    head = own_serving.request("GET", FILE)
    assert {reply.status, head.status} <= {207, 500}
    assert head.status == 500
    own_serving.stop()
    log = own_serving.log.read_text()
    assert "failed unexpectedly" in log
    assert "DOE" not in log
