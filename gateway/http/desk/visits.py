"""Who asks the desk: the cookie of a session, or Basic; and whether a form is of a page that this very session was shown.

A browser that has our cookie, if only that of a session that ended, is never let in by Basic: it may still remember a password
after its user has logged out. May live here: cookies and marks. Not: pages.
"""

import hashlib
import hmac
import math
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from flask import Request as FlaskRequest
from flask import Response
from flask import request as asked
from werkzeug.http import parse_cookie

from catalog.administration import Scope, WebSession, begin_session, end_sessions, find_session
from catalog.pure.errors import Refused
from gateway.credentials import Session
from gateway.http.desk.services import DeskServices
from gateway.http.requests import Environ, Request, client_of, request_of

DESK = "desk"
DESK_PAGES = f"/{DESK}/"
COOKIE, LOGIN_COOKIE = "archimed_session", "archimed_login"
ENDED = "-"
"""What the cookie says where no session is any more."""

_VISIT = "archimed.visit"
_MARK_CHARACTERS = 40
_LONGEST_ADDRESS = 1024
_FIELD = "csrf"


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of the desk: `web` its session, None for Basic and strangers; `secret` what marks of forms are made from."""

    web: WebSession | None
    secret: str

    @property
    def mark(self) -> str:
        """What each form of a page carries, and no other site can know; '' for Basic."""
        return _mark(self.secret) if self.secret else ""


def arrived(services: DeskServices, request: Request) -> tuple[Request, Visit]:
    """Return a request with who asks, as far as it says so.

    Raises:
        Unauthenticated, Unavailable: its Basic header says nothing, or cannot be checked.
    """
    cookies = parse_cookie(request.environ)
    secret = cookies.get(COOKIE)
    if secret is None and "HTTP_AUTHORIZATION" in request.environ:
        return replace(request, session=request.authenticate(request.environ["HTTP_AUTHORIZATION"])), Visit(None, "")
    idle = services.idle_seconds
    web = find_session(services.database, secret, idle) if secret and secret != ENDED else None
    if web is None or not secret:
        return request, Visit(None, cookies.get(LOGIN_COOKIE, ""))
    session = Session(web.principal, web.scopes, web.token)

    def still() -> bool:
        return find_session(services.database, secret, idle) is not None

    return replace(request, session=session, still_authenticated=still), Visit(web, secret)


def note(environ: Environ, visit: Visit) -> Environ:
    """Put a visit where `visit` finds it."""
    environ[_VISIT] = visit
    return environ


def visit() -> Visit:
    """Return the visit of the request that is being answered."""
    found: Visit = asked.environ[_VISIT]
    return found


def mark() -> str:
    """Return what the forms of this answer carry."""
    return visit().mark


def require_mark(request: FlaskRequest) -> None:
    """Check that a form is of a page that was shown to this session.

    Raises:
        Refused: it is not.
    """
    wanted = visit().mark
    if wanted and not hmac.compare_digest(request.form.get(_FIELD, "").encode(), wanted.encode()):
        raise Refused(
            "this form is of a page that does not hold any more, so nothing was changed. Load the page again, and send it then"
        )


def log_in(services: DeskServices, session: Session, response: Response) -> None:
    """Begin a session, and give its cookie to the browser."""
    program = client_of(asked.headers.get("User-Agent", ""))
    secret = begin_session(services.database, session.principal, session.scopes, session.token, program)
    _set(response, COOKIE, secret)
    response.delete_cookie(LOGIN_COOKIE, path=f"/{DESK}", secure=asked.is_secure, httponly=True, samesite="Strict")


def log_out(services: DeskServices, response: Response, *, everywhere: bool = False) -> None:
    """End the session, or all of its user; the browser keeps a cookie that says so."""
    web = visit().web
    if web is not None:
        end_sessions(services.database, web.principal, None if everywhere else web.id)
    _set(response, COOKIE, ENDED)


def mark_of_log_in(response: Callable[[str], Response]) -> Response:
    """Return the page of the log-in form, made with the mark that only this browser's form carries."""
    secret = visit().secret if visit().web is None else ""
    if secret:
        return response(_mark(secret))
    secret = secrets.token_urlsafe(16)
    answer = response(_mark(secret))
    answer.set_cookie(LOGIN_COOKIE, secret, path=f"/{DESK}", secure=asked.is_secure, httponly=True, samesite="Strict")
    return answer


def has_scope(scope: Scope) -> bool:
    """Whether the credentials of this visit are good for something."""
    session = request_of(asked.environ).session
    return session is not None and scope in session.scopes


def safe_address(address: str) -> str:
    """Return an address of the desk to go on to; the desk's first page for any other."""
    good = address.startswith(DESK_PAGES) and address.isprintable() and len(address) <= _LONGEST_ADDRESS
    return address if good and "\\" not in address and "//" not in address.partition("?")[0] else DESK_PAGES


def _set(response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, path=f"/{DESK}", secure=asked.is_secure, httponly=True, samesite="Lax")


def _mark(secret: str) -> str:
    return hmac.digest(secret.encode(), b"form", hashlib.sha256).hex()[:_MARK_CHARACTERS]


class Attempts:
    """How many log-ins failed lately, by whatever they are counted by. One a process: others count their own.

    Args:
        most: so many may fail.
        seconds: within so long.
        now: seconds, growing.
    """

    _MOST_KEYS = 10_000

    def __init__(self, most: int, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._now = most, seconds, now
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, *keys: str) -> int:
        """Return for how many seconds nobody may try; 0: now."""
        now = self._now()
        with self._lock:
            return max((self._wait(key, now) for key in keys), default=0)

    def failed(self, *keys: str) -> None:
        """Count a log-in that failed."""
        with self._lock:
            for key in keys:
                self._failed.setdefault(key, deque(maxlen=self._most)).append(self._now())
                self._failed.move_to_end(key)
            while len(self._failed) > self._MOST_KEYS:
                self._failed.popitem(last=False)

    def _wait(self, key: str, now: float) -> int:
        times = self._failed.get(key)
        if times is None or len(times) < self._most:
            return 0
        return max(0, math.ceil(times[0] + self._seconds - now))
