"""A password backend that does what a test tells it."""

import threading
from collections.abc import Callable

from catalog.database import Database
from catalog.pure.access import Role
from gateway.credentials import Credentials, TokenBackend
from gateway.credentials.asking import Asking, Lanes, PasswordBackend, Proof
from gateway.credentials.failures import Failures, Limits


class Scripted:
    """Knows passwords by login; `asked` is every question. `before` is called with each login while it is being asked."""

    def __init__(self, passwords: dict[str, str], *, name: str = "ldap", role: Role | None = None) -> None:
        self.name = name
        self.passwords = passwords
        self.role = role
        self.asked: list[tuple[str, str]] = []
        self.before: Callable[[str], None] = lambda _login: None
        self._lock = threading.Lock()

    @property
    def admits(self) -> bool:
        return self.role is not None

    def check(self, login: str, secret: str) -> Proof | None:
        with self._lock:
            self.asked.append((login, secret))
        self.before(login)
        return Proof(self.role) if self.passwords.get(login) == secret else None


def chain(
    database: Database, *backends: PasswordBackend, lanes: int = 4, limits: Limits | None = None,
    now: Callable[[], float] | None = None, failures: Failures | None = None,
    realms: tuple[str, ...] = (), proxies: tuple[str, ...] = (),
) -> Credentials:  # fmt: skip
    shared = failures or (Failures(limits, now) if now else Failures(limits))
    asking = [Asking(each, shared, Lanes(lanes), now) if now else Asking(each, shared, Lanes(lanes)) for each in backends]
    return Credentials(database, TokenBackend(database), asking, realms=realms, proxies=proxies)
