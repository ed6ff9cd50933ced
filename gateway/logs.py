"""What a log line looks like, and what never stands in one.

A line holds time, level, part and message; as JSON for a collector, as text for a terminal. A service of systemd whose stderr
goes to the journal writes there itself, with these as fields: `journalctl -u archimed-worker -p err ARCHIMED_PART=worker`.

Messages of this project's own code are written for logs and hold no identity (docs/laws.md, law 6). Nobody promises that for a
library: of its records, of warnings and of exceptions only the kind and the place are kept, never the text, because the text
may quote a file's content.
"""

import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

from catalog.faults import place_of, short_path

_JOURNAL = "/run/systemd/journal/socket"
# syslog(3)'s numbers, which the journal uses.
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_OWN = ("archimedfs", "catalog", "deid", "gateway")


def configure(part: str, form: str = "json", level: str = "info") -> None:
    """Send the process's log lines to stderr, `part` in each and in the form `json` or `text`; uncaught exceptions too.

    Where stderr is systemd's journal they go there as records of its own kind, in whatever form.

    Calling it again replaces what was configured: a child process names its own part.
    """
    handler: logging.Handler = JournalHandler(part) if _is_journal(sys.stderr.fileno) else logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(part) if form == "json" else _Text(part))
    root = logging.getLogger()
    for former in root.handlers[:]:
        if isinstance(former, JournalHandler):
            former.close()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for package in _OWN:
        logging.getLogger(package).setLevel(level.upper())
    # A damaged file makes pydicom warn about each of its values: nothing an operator can act on.
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


class _Redacting(logging.Formatter):
    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def facts(self, record: logging.LogRecord) -> dict[str, str]:
        """Return what may be written of a record, in the order in which it is written."""
        own = record.name.split(".", 1)[0] in _OWN
        facts = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "part": self._part,
            "message": record.getMessage() if own else f"{record.name} at {short_path(record.pathname)}:{record.lineno}",
        }
        if record.exc_info and record.exc_info[1] is not None:
            facts["exception"] = place_of(record.exc_info[1])
        return facts


class _Json(_Redacting):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.facts(record), ensure_ascii=False)


class _Text(_Redacting):
    def format(self, record: logging.LogRecord) -> str:
        facts = self.facts(record)
        # One record, one line: what a message carries must not look like a record of its own.
        text = "; ".join(facts[key] for key in ("message", "exception") if key in facts)
        return f"{facts['time'][11:19]} {facts['level']:7} {facts['part']}: {' '.join(text.splitlines())}"


class JournalHandler(logging.Handler):
    """Writes records to systemd's journal; whatever it does not take goes to stderr."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._facts = _Redacting(part).facts
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        facts = self._facts(record)
        text = "; ".join(facts[key] for key in ("message", "exception") if key in facts)
        fields = {
            "MESSAGE": text,
            "PRIORITY": str(_PRIORITIES.get(facts["level"], _PRIORITIES["info"])),
            "SYSLOG_IDENTIFIER": "archimed",
            "ARCHIMED_PART": facts["part"],
            "ARCHIMED_LEVEL": facts["level"],
            "ARCHIMED_AT": facts.get("exception", ""),
        }
        lines = (f"{name}={' '.join(value.splitlines())}\n" for name, value in fields.items() if value)
        try:
            self._channel.sendto("".join(lines).encode(errors="backslashreplace"), _JOURNAL)
        except OSError:
            print(self.format(record), file=sys.stderr)

    def close(self) -> None:
        """Close the way to the journal."""
        self._channel.close()
        super().close()


def _is_journal(fileno: Callable[[], int]) -> bool:
    """Whether a stream is the one that systemd connected to its journal; a shell in a service may have sent it elsewhere."""
    try:
        found = os.fstat(fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        logging.getLogger(__name__).critical("ended by an error that was not expected", exc_info=(kind, error, trace))


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        _uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
