"""Wrong passwords, remembered by all worker processes together, in memory that they share.

A directory locks an account after some wrong passwords, and forgets them when none came for a while. A drive mapping with an
old password asks for ever. So questions that may fail are counted here, per backend and login, by the directory's own rule and
with a budget below its own: when it is used up, the answer is no without asking. A secret that was wrong is asked again once,
later; it then leaves the rest of the budget to other secrets.

What is kept of login, secret and address is an HMAC under a key that lives in memory only.
"""

import fcntl
import hmac
import mmap
import os
import secrets
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

_BUCKETS = 4096
_ENTRIES = 16
_RECORD = struct.Struct("=d8s16s8s?")
_BUCKET_BYTES = _ENTRIES * _RECORD.size
_ASKS_OF_ONE_SECRET = 2
_ABANDONED_SECONDS = 60  # a question of a process that died
_POLL_SECONDS = 0.02


class Verdict(Enum):
    """Whether a backend may be asked."""

    ASK = "ask"
    KNOWN = "wrong before"  # this secret was wrong a moment ago
    SPENT = "too many wrong"  # too many wrong ones for this login
    WAIT = "wait"  # another process is asking just this


@dataclass(frozen=True, slots=True)
class Limits:
    """How many wrong passwords a login may have, in all and from one address, until none came for `forget_seconds`.

    A secret that was wrong is not asked again for `repeat_seconds`.
    """

    most: int = 4
    forget_seconds: float = 1860
    repeat_seconds: float = 300

    @property
    def from_one_address(self) -> int:
        """One less than in all, so that one address does not spend what the others need."""
        return max(1, self.most - 1)


@dataclass(slots=True)
class _Entry:
    at: float
    login: bytes
    secret: bytes
    address: bytes
    pending: bool


class Failures:
    """The shared memory. Make it before processes are forked; every one of them then sees what the others learn."""

    def __init__(
        self, limits: Limits | None = None, now: Callable[[], float] = time.monotonic, *, crowds_out: bool = False
    ) -> None:
        """`crowds_out`: where there is no room, forget the oldest; else a login that finds none is refused without asking."""
        self._crowds_out = crowds_out
        self.limits = limits or Limits()
        self.key = secrets.token_bytes(32)
        self._now = now
        self._file = os.memfd_create("archimed-failures", os.MFD_CLOEXEC)
        os.ftruncate(self._file, _BUCKETS * _BUCKET_BYTES)
        self._memory = mmap.mmap(self._file, _BUCKETS * _BUCKET_BYTES)
        self._lock = threading.Lock()

    def digest(self, *parts: str) -> bytes:
        """Return 32 bytes that stand for these texts and reveal nothing of them."""
        encoded = [part.encode() for part in parts]
        return hmac.digest(self.key, b"".join(struct.pack("=I", len(part)) + part for part in encoded), "sha256")

    @contextmanager
    def asking(self, backend: str, login: str, secret: bytes, address: str) -> Iterator["Question"]:
        """Give the question whether `secret` (a digest) may be asked; see `Question`."""
        question = Question(self, self.digest("login", backend, login), secret[:16], self.digest("address", address)[:8])
        try:
            yield question
        finally:
            question.withdraw()

    def reserve(self, login: bytes, secret: bytes, address: bytes) -> Verdict:
        """Enter a question that is about to be asked, if it may be."""
        now, limits = self._now(), self.limits
        with self._bucket(login) as entries:
            self._forget(entries, now)
            own = [entry for entry in entries if entry.login == login[:8]]
            same = [entry for entry in own if entry.secret == secret]
            if any(entry.pending for entry in same):
                return Verdict.WAIT
            if len(same) >= _ASKS_OF_ONE_SECRET or (same and now - max(e.at for e in same) < limits.repeat_seconds):
                return Verdict.KNOWN
            if self._crowds_out and len(entries) >= _ENTRIES:
                entries.remove(min(entries, key=lambda entry: (entry.pending, entry.at)))
            from_here = sum(entry.address == address for entry in own)
            if len(own) >= limits.most or from_here >= limits.from_one_address or len(entries) >= _ENTRIES:
                return Verdict.SPENT
            entries.append(_Entry(now, login[:8], secret, address, pending=True))
        return Verdict.ASK

    def settle(self, login: bytes, secret: bytes, outcome: bool | None) -> None:
        """Say how a reserved question ended: True right, which forgets all wrong ones; False wrong; None nobody knows."""
        with self._bucket(login) as entries:
            for entry in [entry for entry in entries if entry.login == login[:8]]:
                asked = entry.pending and entry.secret == secret
                if asked and outcome is False:
                    entry.pending = False
                    entry.at = self._now()
                elif asked or (outcome is True and not entry.pending):
                    entries.remove(entry)

    def _forget(self, entries: list[_Entry], now: float) -> None:
        newest: dict[bytes, float] = {}
        for entry in entries:
            if entry.pending and now - entry.at > _ABANDONED_SECONDS:
                entry.pending = False
            newest[entry.login] = max(newest.get(entry.login, 0.0), entry.at)
        entries[:] = [entry for entry in entries if now - newest[entry.login] < self.limits.forget_seconds]

    @contextmanager
    def _bucket(self, login: bytes) -> Iterator[list[_Entry]]:
        start = int.from_bytes(login[8:12], "big") % _BUCKETS * _BUCKET_BYTES
        # The file's lock is between processes and ends with one that dies; the other is between threads.
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX, _BUCKET_BYTES, start)
            try:
                block = self._memory[start : start + _BUCKET_BYTES]
                entries = [_Entry(*fields) for fields in _RECORD.iter_unpack(block) if fields[0]]
                yield entries
                packed = b"".join(_RECORD.pack(e.at, e.login, e.secret, e.address, e.pending) for e in entries)
                self._memory[start : start + _BUCKET_BYTES] = packed.ljust(_BUCKET_BYTES, b"\0")
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, _BUCKET_BYTES, start)


class Question:
    """One secret of one login on its way to a backend. Whatever happens, it does not stay open."""

    def __init__(self, failures: Failures, login: bytes, secret: bytes, address: bytes) -> None:
        self._failures = failures
        self._of = (login, secret)
        self._address = address
        self._open = False

    def may_be_asked(self, patience_seconds: float) -> Verdict:
        """Return the verdict; where another process asks the same, wait for its answer so long."""
        until = time.monotonic() + patience_seconds
        while (verdict := self._failures.reserve(*self._of, self._address)) is Verdict.WAIT and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        self._open = verdict is Verdict.ASK
        return verdict

    def answered(self, right: bool) -> None:
        """Take the backend's answer."""
        if self._open:
            self._failures.settle(*self._of, right)
            self._open = False

    def withdraw(self) -> None:
        """Forget a question that got no answer."""
        if self._open:
            self._failures.settle(*self._of, None)
            self._open = False
