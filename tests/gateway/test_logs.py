"""Log lines: their shape, and what never stands in one. `Doe` stands for whatever a file may hold."""

import json
import logging
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.faults import place_of
from catalog.pure.errors import Refused

TOP = Path(__file__).parents[2]


def lines_of(program: str, form: str = "json", level: str = "info") -> str:
    """Return what a program that logs writes on stderr."""
    head = f"import logging, threading, warnings\nfrom gateway import logs\nlogs.configure('worker', {form!r}, {level!r})\n"
    answer = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(program)], cwd=TOP, capture_output=True, text=True, timeout=60
    )
    assert answer.stdout == ""
    return answer.stderr


def test_a_line_is_one_json_object_with_level_part_and_message() -> None:
    (line,) = lines_of("logging.getLogger('catalog.gate').warning('batch %d: %s', 7, 'a\\nb')").splitlines()
    told = json.loads(line)
    assert set(told) == {"time", "level", "part", "message"}
    assert (told["level"], told["part"], told["message"]) == ("warning", "worker", "batch 7: a\nb")
    assert told["time"].endswith("Z")


def test_a_line_for_a_terminal_stays_one_line() -> None:
    (line,) = lines_of("logging.getLogger('gateway').error('a\\n12:00:00 error worker: forged')", "text").splitlines()
    assert line[8:].startswith(" error   worker: a 12:00:00 error")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(60)
        listening.bind(str(tmp_path / "journal"))
        yield listening


def journalled(program: str, stderr: Path, told: Path, place: Path) -> None:
    """Run a program that logs, whose stderr is a file of which systemd would say that `told` is the journal's."""
    found = told.stat()
    head = f"import logging\nfrom gateway import logs\nlogs._JOURNAL = {str(place)!r}\nlogs.configure('worker')\n"
    with stderr.open("w") as opened:
        subprocess.run(
            [sys.executable, "-c", head + textwrap.dedent(program)], cwd=TOP, stderr=opened, timeout=60,
            env=os.environ | {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"},
        )  # fmt: skip


FAILING = """
try:
    raise ValueError("Doe")
except ValueError:
    logging.getLogger("catalog.gate").exception("job %d failed\\nPRIORITY=0", 7)
"""


def test_a_service_writes_its_records_to_the_journal_as_fields(journal: socket.socket, tmp_path: Path) -> None:
    stderr = tmp_path / "stderr"
    stderr.touch()
    journalled(FAILING, stderr, stderr, tmp_path / "journal")
    fields = dict(line.split("=", 1) for line in journal.recv(10000).decode().splitlines())
    assert fields.pop("ARCHIMED_AT").startswith("ValueError at ")
    assert fields.pop("MESSAGE").startswith("job 7 failed PRIORITY=0; ValueError at ")
    assert fields == {"PRIORITY": "3", "SYSLOG_IDENTIFIER": "archimed", "ARCHIMED_PART": "worker", "ARCHIMED_LEVEL": "error"}
    assert stderr.read_text() == ""


def test_what_the_journal_does_not_take_goes_to_stderr(tmp_path: Path) -> None:
    stderr = tmp_path / "stderr"
    stderr.touch()
    journalled(FAILING, stderr, stderr, tmp_path / "nothing")
    assert json.loads(stderr.read_text())["part"] == "worker"


def test_a_stderr_that_was_sent_elsewhere_stays_there(tmp_path: Path) -> None:
    stderr = tmp_path / "stderr"
    journalled(FAILING, stderr, tmp_path, tmp_path / "nothing")
    assert json.loads(stderr.read_text())["level"] == "error"


def test_the_level_holds_for_the_projects_own_lines() -> None:
    program = "for level in ('debug', 'info', 'error'): getattr(logging.getLogger('deid'), level)(level)"
    assert [json.loads(line)["message"] for line in lines_of(program, level="debug").splitlines()] == ["debug", "info", "error"]
    assert [json.loads(line)["message"] for line in lines_of(program, level="error").splitlines()] == ["error"]


@pytest.mark.parametrize(
    "program",
    [
        "logging.getLogger('pydicom').error('Invalid value for PN: Doe')",
        "logging.getLogger('pynetdicom.acse').warning('%s', 'Doe')",
        "logging.getLogger().error('Doe')",
        """
        try:
            raise ValueError('Doe') from KeyError('Doe')
        except ValueError:
            logging.getLogger('catalog').exception('cannot read a file')
        """,
        "raise ValueError('Doe')",
        """
        def work():
            raise ValueError('Doe')
        thread = threading.Thread(target=work, name='Doe')
        thread.start()
        thread.join()
        """,
    ],
    ids=["library", "library-arguments", "root", "exception", "uncaught", "uncaught-in-thread"],
)
def test_no_text_of_a_library_or_an_exception_is_written(program: str) -> None:
    written = lines_of(program)
    assert "Doe" not in written
    for line in written.splitlines():
        json.loads(line)
    assert " at " in written  # the place is


def test_warnings_are_not_written_at_all() -> None:
    assert lines_of("warnings.warn('Invalid value for VR PN: Doe', UserWarning, stacklevel=1)") == ""


def test_the_place_of_an_error_tells_kinds_and_calls_and_the_projects_own_text() -> None:
    def read() -> None:
        raise KeyError("Doe")

    try:
        try:
            read()
        except KeyError as error:
            raise Refused("this batch is published, which is final") from error
    except Refused as error:
        told = place_of(error)
    assert "Doe" not in told
    assert told.startswith("Refused: this batch is published, which is final at tests/gateway/test_logs.py:")
    assert "; from KeyError at tests/gateway/test_logs.py:" in told
    assert " read < " in told


def test_configuring_again_replaces_the_part(capsys: pytest.CaptureFixture[str]) -> None:
    del capsys
    (line,) = lines_of("logs.configure('http')\nlogging.getLogger('gateway').info('x')").splitlines()
    assert json.loads(line)["part"] == "http"
    assert logging.getLogger("gateway").handlers == []
