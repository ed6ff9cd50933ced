"""Writes down what is read and who was refused: in a thread of its own, some seconds behind, so that no reader waits for it.

A process that dies takes at most `SECONDS` of reads with it, and `REFUSALS_SECONDS` of refused logins. One that is ended in
order takes nothing.
"""

import logging
import threading
import time

from catalog import clock
from catalog.audit.read_log import close_reads, write_reads
from catalog.audit.reads import DAY, Reader, Reads, Tally
from catalog.audit.refusals import REFUSALS_SECONDS, Refusals
from catalog.database import Database
from catalog.faults import place_of
from catalog.pure.errors import ArchimedError

_log = logging.getLogger(__name__)

SECONDS = 10
# So many rows hold the catalogue's one writer for some milliseconds.
_ROWS_AT_ONCE = 500


class Keeper:
    """Keeps the audit of reads and of refused logins for one process. Make it in the process that uses it, not before a fork.

    Args:
        database: the catalogue.
        seconds: how often reads are written down.
    """

    def __init__(self, database: Database, seconds: float = SECONDS) -> None:
        self.reads = Reads()
        self.refusals = Refusals()
        self._database = database
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed_until = 0
        self._refusals_due = 0.0
        self._is_lost = False

    def start(self) -> None:
        """Begin to write down, every few seconds."""
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write down what is left. Harmless when it was never begun, or is called again."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._refusals_due = 0.0
        self.flush()

    def flush(self) -> None:
        """Write down what was counted; what the catalogue does not take now is tried again with the next call."""
        try:
            self._flush()
        except ArchimedError as error:
            self._report(str(error))
        except Exception as error:  # noqa: BLE001 - counting goes on, and readers are none the worse
            self._report(place_of(error))
        else:
            self._is_lost = False

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self.flush()

    def _flush(self) -> None:
        today = clock.now() // DAY * DAY
        if self._closed_until < today and (self._thread is not None or len(self.reads)):
            # Before today's are written, so that no row is of more than one day and a bit.
            close_reads(self._database, today)
            self._closed_until = today
        self._write_reads(sorted(self.reads.take().items()))
        if time.monotonic() >= self._refusals_due:
            self._refusals_due = time.monotonic() + REFUSALS_SECONDS
            self.refusals.write(self._database, "http", "login.failed")

    def _write_reads(self, tallies: list[tuple[Reader, Tally]]) -> None:
        for begin in range(0, len(tallies), _ROWS_AT_ONCE):
            try:
                write_reads(self._database, dict(tallies[begin : begin + _ROWS_AT_ONCE]))
            except BaseException:
                self.reads.give_back(dict(tallies[begin:]))
                raise

    def _report(self, what: str) -> None:
        if not self._is_lost:
            _log.error("what is read cannot be written down: %s; it is kept in memory and tried again", what)
        self._is_lost = True
