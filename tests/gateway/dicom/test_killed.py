"""A receiver process that is killed or stopped: what it acknowledged is there, once."""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.dicom.conftest import Place, listen
from tests.gateway.dicom.peer import Peer, c_store, p_data, pdv

ROOT = Path(__file__).parents[3]


class Process:
    """The receiver as a process on one port, started again at will."""

    def __init__(self, place: Place) -> None:
        with listen() as free:
            self.port: int = free.getsockname()[1]
        self._command = [sys.executable, "-m", "tests.gateway.dicom.serving", place.url, str(place.folder), str(self.port)]
        self.start()

    def start(self) -> None:
        self.running = subprocess.Popen(self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.running.stdout is not None
        assert self.running.stdout.readline() == "ready\n"

    def end(self, how: signal.Signals) -> int:
        self.running.send_signal(how)
        self.running.communicate(timeout=60)
        return self.running.returncode


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.database.close()


@pytest.fixture
def process(place: Place) -> Iterator[Process]:
    process = Process(place)
    yield process
    process.end(signal.SIGKILL)


def content(number: int) -> bytes:
    return b"%06d" % number * 5000


def send_all(port: int, numbers: list[int], acknowledged: set[int]) -> None:
    """Send files until all are acknowledged or the connection breaks."""
    try:
        with Peer(port) as peer:
            peer.associate()
            for number in numbers:
                assert peer.store(b"1.2.%d" % number, content(number)) == 0
                acknowledged.add(number)
            peer.release()
    except (OSError, AssertionError):
        pass  # the receiver was killed


def test_killed_again_and_again_nothing_acknowledged_is_lost_and_nothing_is_twice(place: Place, process: Process) -> None:
    moments = random.Random(7)
    acknowledged: set[int] = set()
    for _ in range(6):
        seen = len(acknowledged)
        missing = [number for number in range(240) if number not in acknowledged]
        threads = [threading.Thread(target=send_all, args=(process.port, missing[part::4], acknowledged)) for part in range(4)]
        for thread in threads:
            thread.start()
        enough = moments.randrange(1, 40)
        while len(acknowledged) < seen + enough and any(thread.is_alive() for thread in threads):
            pass
        process.end(signal.SIGKILL)
        for thread in threads:
            thread.join(60)
        kept = place.data_sets()
        assert {content(number) for number in acknowledged} <= set(kept)
        assert len(kept) == len(set(kept))
        process.start()
    missing = [number for number in range(240) if number not in acknowledged]
    send_all(process.port, missing, acknowledged)
    send_all(process.port, list(range(0, 240, 7)), acknowledged)
    assert acknowledged == set(range(240))
    assert sorted(place.data_sets()) == [content(number) for number in range(240)]


def test_stopped_it_ends_well_and_finishes_the_file_under_way(place: Place, process: Process) -> None:
    with Peer(process.port).associate() as busy, Peer(process.port).associate() as idle:
        busy.send(p_data(pdv(1, 3, c_store(b"1.2.3"))) + p_data(pdv(1, 0, b"first ")))
        while not place.on_disk():
            pass
        process.running.send_signal(signal.SIGTERM)
        assert idle.pdu()[0] == 7
        busy.send(p_data(pdv(1, 2, b"second")))
        assert busy.status() == 0
        assert busy.pdu()[0] == 7
    _, errors = process.running.communicate(timeout=60)
    assert process.running.returncode == 0, errors
    assert place.data_sets() == [b"first second"]


def test_stopped_with_a_sender_that_stalls_it_ends_in_some_seconds_and_leaves_nothing(place: Place, process: Process) -> None:
    with Peer(process.port).associate() as stalled:
        stalled.send(p_data(pdv(1, 3, c_store(b"1.2.3"))) + p_data(pdv(1, 0, b"first ")))
        while not place.on_disk():
            pass
        assert process.end(signal.SIGTERM) == 0
    assert place.on_disk() == []
    assert place.staged() == []
