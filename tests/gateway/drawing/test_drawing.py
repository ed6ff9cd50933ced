"""Files that break, stall or swallow what draws them: each fails alone, and the next is drawn."""

import io
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.filetypes.model import Look
from catalog.pure.errors import Unavailable, Unreadable
from gateway.drawing import child
from gateway.drawing.processes import Drawing, is_text
from tests.synthetic import image


@pytest.fixture
def drawing() -> Iterator[Drawing]:
    opened = Drawing(1, waiting=0)
    yield opened
    opened.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "1"
    written.write_bytes(image())
    return written


def test_a_picture_is_drawn_again_and_again(drawing: Drawing, file: Path) -> None:
    first = drawing.draw(file, "DCM_MR", Look(side=0))
    assert (first.media_type, first.columns, first.rows, first.frames) == ("image/png", 16, 16, 1)
    assert drawing.draw(file, "DCM_MR", Look(side=0)) == first
    assert drawing.draw(file, "", Look(side=0)) == first


def test_text_is_told_from_pictures(drawing: Drawing, file: Path) -> None:
    file.write_bytes(b"a,b\n1,2\n")
    assert is_text(drawing.draw(file, "TABLE", Look()))


def test_what_nobody_knows_is_shown_by_its_bytes_and_what_is_gone_says_so(drawing: Drawing, file: Path) -> None:
    file.write_bytes(b"\0\1\2 nobody knows")
    assert b"nobody knows" in drawing.draw(file, "RAW", Look()).data
    file.unlink()
    with pytest.raises(Unreadable, match="not there any more"):
        drawing.draw(file, "DCM_MR", Look())


def test_a_killed_drawer_is_started_again(drawing: Drawing, file: Path) -> None:
    drawing.draw(file, "DCM_MR", Look())
    drawer = drawing._idle.get()
    assert drawer is not None
    os.kill(drawer.process.pid, signal.SIGKILL)
    drawer.process.wait()
    drawing._idle.put(drawer)
    assert drawing.draw(file, "DCM_MR", Look()).columns == 16


def test_too_many_are_sent_away(file: Path) -> None:
    drawing = Drawing(1, waiting=0)
    drawing.draw(file, "DCM_MR", Look())
    with drawing._drawer(), pytest.raises(Unavailable, match="too many pictures"):
        drawing.draw(file, "DCM_MR", Look())
    assert drawing.draw(file, "DCM_MR", Look()).columns == 16
    drawing.close()


def test_many_threads_share_few_drawers(file: Path) -> None:
    drawing = Drawing(2, waiting=8)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(drawing.draw(file, "", Look()).columns)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [16] * 8
    drawing.close()


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (lambda _: os.kill(os.getpid(), signal.SIGSEGV), "breaks down"),
        (lambda _: os.kill(os.getpid(), signal.SIGALRM), "too long"),
        (lambda _: os.kill(os.getpid(), signal.SIGXCPU), "too long"),
        (lambda _: bytearray(4 << 30), "breaks down|too much memory"),
        (lambda _: os._exit(0), "breaks down"),
        (lambda _: Path("/tmp/archimed-drawn").write_bytes(b"x"), "breaks down"),
    ],
)
def test_a_child_that_breaks_is_told_of(monkeypatch: pytest.MonkeyPatch, fault: object, why: str) -> None:
    monkeypatch.setattr(child, "_drawn", fault)
    answer = io.BytesIO(child._alone({}))
    assert re.search(why, answer.readline().decode())
