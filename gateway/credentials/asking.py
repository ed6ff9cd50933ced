"""What stands before a backend that is slow or counts failures (PAM, LDAP): it is asked seldom, by few at a time.

A right password is remembered for some minutes under an HMAC; equal questions at one time become one; wrong ones are
`gateway.credentials.failures`'s. A backend that hangs holds a bounded number of threads, and one address only part of them.

A login that nobody has gets the same treatment as a wrong password, with a stand-in for the login: who only sees how long a
refusal takes, or whether it is one, does not learn who has an account.
"""

import logging
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from catalog.pure.access import Principal, Role
from catalog.pure.errors import Unavailable
from gateway.credentials.failures import Failures, Question, Verdict

_log = logging.getLogger(__name__)

REMEMBERED_SECONDS = 300
_MOST_REMEMBERED = 4096
_PATIENCE_SECONDS = 30
_QUEUE_SECONDS = 5
_BUSY = "too many logins are being checked at this moment; try again"
NOBODY = "archimed-nobody"
"""The login that a backend is asked about in place of one that nobody has."""
_NO_ANSWER = "your password cannot be checked at this moment; try again"


@dataclass(frozen=True, slots=True)
class Proof:
    """A password is right. `role` is what the backend's groups say the user is here; None where it says nothing of roles."""

    role: Role | None = None


class PasswordBackend(Protocol):
    """One way to check a password. Called from several threads at once."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    @property
    def admits(self) -> bool:
        """Whether it may know people whom the catalogue does not know yet."""

    def check(self, login: str, secret: str) -> Proof | None:
        """Return a proof, or None if that is not this login's password or the account may not be used.

        Raises:
            Unavailable: it cannot be found out at the moment.
        """


class Lanes:
    """Room for `running` questions at a time and as many that wait; one address gets half of each, but at least one."""

    def __init__(self, running: int) -> None:
        self._running = max(1, running)
        self._inside: Counter[str] = Counter()
        self._asking: Counter[str] = Counter()
        self._changed = threading.Condition()

    @contextmanager
    def inside(self, address: str) -> Iterator[None]:
        """Count a thread that asks or waits for an answer.

        Raises:
            Unavailable: there are too many.
        """
        with self._changed:
            if self._inside.total() >= 2 * self._running or self._inside[address] >= max(2, self._running):
                raise Unavailable(_BUSY)
            self._inside[address] += 1
        try:
            yield
        finally:
            self._leave(self._inside, address)

    @contextmanager
    def asking(self, address: str) -> Iterator[None]:
        """Wait for a free lane and take it.

        Raises:
            Unavailable: none became free.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_free(address), _QUEUE_SECONDS):
                raise Unavailable(_BUSY)
            self._asking[address] += 1
        try:
            yield
        finally:
            self._leave(self._asking, address)

    def _is_free(self, address: str) -> bool:
        return self._asking.total() < self._running and self._asking[address] < max(1, self._running // 2)

    def _leave(self, counter: Counter[str], address: str) -> None:
        with self._changed:
            counter[address] -= 1
            if not counter[address]:
                del counter[address]
            self._changed.notify_all()


class Asking:
    """A password backend, asked carefully."""

    def __init__(
        self,
        backend: PasswordBackend,
        failures: Failures,
        lanes: Lanes,
        now: Callable[[], float] = time.monotonic,
        strangers: Failures | None = None,
    ) -> None:
        self.backend = backend
        self._failures = failures
        # Apart, so that a flood of made-up logins does not crowd out the counts of those that are somebody's.
        self._strangers = strangers or Failures(failures.limits, now, crowds_out=True)
        self._lanes = lanes
        self._now = now
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._flights: dict[bytes, Future[bool]] = {}
        self._lock = threading.Lock()

    def remembers(self, user: Principal, secret: str) -> bool:
        """Whether that password was right a moment ago."""
        return self._right.get(self._digest(user, user.login, secret), 0) > self._now()

    def is_right(
        self, user: Principal | None, login: str, secret: str, address: str, admit: Callable[[Proof], Principal]
    ) -> bool:
        """Whether that is this login's password.

        What is remembered belongs to the catalogue's row of the user: somebody who was removed and added again is new.

        Args:
            user: whom the catalogue knows under that login.
            login: the login as the catalogue spells it.
            secret: the password.
            address: where it comes from.
            admit: called with a fresh proof; does what follows from it in the catalogue and returns the user.

        Raises:
            Unavailable: it cannot be found out at the moment.
        """

        def ask(digest: bytes) -> bool:
            return self._ask(digest, login, secret, address, admit)

        return self._once(self._digest(user, login, secret), address, ask)

    def refuse(self, login: str, secret: str, address: str) -> None:
        """Take for a login that nobody has what a wrong password takes; the backend hears neither of them.

        Raises:
            Unavailable: it could not be found out at the moment, if somebody had it.
        """

        def ask(digest: bytes) -> bool:
            with self._strangers.asking(self.backend.name, login, digest, address) as question:
                self._put(question, address, NOBODY, secrets.token_urlsafe())
            return False

        self._once(self._strangers.digest(self.backend.name, login, secret), address, ask)

    def _once(self, digest: bytes, address: str, ask: Callable[[bytes], bool]) -> bool:
        """Ask, unless just that is being asked by another thread: then wait for its answer."""
        with self._lock:
            if self._right.get(digest, 0) > self._now():  # since it was asked for
                return True
            flight = self._flights.get(digest)
            mine: Future[bool] = Future()
            if flight is None:
                self._flights[digest] = mine
        if flight is not None:
            with self._lanes.inside(address):
                return _result_of(flight)
        try:
            with self._lanes.inside(address):
                right = ask(digest)
            mine.set_result(right)
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._flights[digest]
        return right

    def _ask(self, digest: bytes, login: str, secret: str, address: str, admit: Callable[[Proof], Principal]) -> bool:
        with self._failures.asking(self.backend.name, login, digest, address) as question:
            proof = self._put(question, address, login, secret)
            if proof is None:
                return False
            question.answered(right=True)
        self._remember(self._digest(admit(proof), login, secret))
        return True

    def _put(self, question: Question, address: str, login: str, secret: str) -> Proof | None:
        """Put a question to the backend, if it may be; a no is counted here."""
        name = self.backend.name
        verdict = question.may_be_asked(_PATIENCE_SECONDS)
        if verdict is Verdict.WAIT:
            raise Unavailable(_NO_ANSWER)
        if verdict is not Verdict.ASK:
            # Not for the log of every day: a flood would fill it.
            _log.debug("a login was refused without asking %s: %s", name, verdict.value)
            return None
        with self._lanes.asking(address):
            proof = self.backend.check(login, secret)
        if proof is None or login == NOBODY:
            question.answered(right=False)
            _log.info("%s refused a password", name)
            return None
        return proof

    def _digest(self, user: Principal | None, login: str, secret: str) -> bytes:
        return self._failures.digest(self.backend.name, str(user.user_id) if user else "", login, secret)

    def _remember(self, digest: bytes) -> None:
        with self._lock:
            self._right[digest] = self._now() + REMEMBERED_SECONDS
            self._right.move_to_end(digest)
            while len(self._right) > _MOST_REMEMBERED:
                self._right.popitem(last=False)


def _result_of(flight: Future[bool]) -> bool:
    try:
        return flight.result(_PATIENCE_SECONDS)
    except Unavailable as error:
        raise Unavailable(str(error)) from None
    except Exception:  # noqa: BLE001 - the thread that asked reports it
        raise Unavailable(_NO_ANSWER) from None
