"""What every request to the desk passes, whichever page it is for: who asks, and whether it may change anything.

A browser sends its cookie, and a Basic password that it remembers, with whatever another site makes it ask for. So only a page
of the desk itself may change anything: the form carries a mark of the session, and where the browser says where it comes from
(Sec-Fetch-Site, Origin), that is this very server. What came by Basic has no mark, and must say where it comes from.
"""

import logging
from urllib.parse import urlsplit

from flask import Flask, Response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from catalog.administration import Scope
from catalog.pure.access import Action
from catalog.pure.errors import ArchimedError, Refused, Unavailable
from gateway.credentials import Unauthenticated
from gateway.http import answers
from gateway.http.answers import Answer
from gateway.http.app import Login, Part
from gateway.http.desk import account, bulk, deciding, entering, pages, viewing, visits, words
from gateway.http.desk.reading import pages as reading
from gateway.http.desk.reading import searching
from gateway.http.desk.reading.taking import Taking
from gateway.http.desk.services import DeskServices, principal
from gateway.http.desk.visits import DESK
from gateway.http.requests import Request, is_person, request_of

_log = logging.getLogger(__name__)
_OPEN = frozenset({"static", "entering.login", "entering.enter", "entering.logout", "enter"})
_SCOPES = {
    "pages": Scope.STAGING,
    "viewing": Scope.STAGING,
    "deciding": Scope.STAGING,
    "bulk": Scope.STAGING,
    "reading": Scope.READ,
    "searching": Scope.READ,
}
_FRONT = "pages.batches"  # leads each where they may go
_DEEP = 3
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LARGEST_FORM = 1 << 20
_MOST_FIELDS = 5000
_STATIC_SECONDS = 3600

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer: with that, browsers say of our own forms that they come from nowhere (`Origin: null`).
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class DeskPart:
    """The pages. One a process, shared by its threads."""

    def __init__(self, services: DeskServices) -> None:
        self._services = services
        self._app = _make_app(services)
        self._taking = Taking(services.views)

    def registration(self) -> Part:
        """Return it as a part of the door."""
        return Part(DESK, self.answer, login=Login.NEVER, close=self._services.drawing.close)

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request for something below `desk/`."""
        known, visit = visits.arrived(self._services, request)
        if known.session is not None and self._taking.takes(known):
            return self._taking.answer(known)
        return Response.from_app(self._app.wsgi_app, visits.note(known.for_application(), visit))


def _make_app(services: DeskServices) -> Flask:
    app = Flask("gateway.http.desk", static_url_path=f"/{DESK}/static")
    # What fails unexpectedly goes up to the front, whose log line repeats nothing of the request.
    app.config.update(
        PROPAGATE_EXCEPTIONS=True, MAX_CONTENT_LENGTH=_LARGEST_FORM, MAX_FORM_MEMORY_SIZE=_LARGEST_FORM,
        MAX_FORM_PARTS=_MOST_FIELDS, SEND_FILE_MAX_AGE_DEFAULT=_STATIC_SECONDS,
    )  # fmt: skip
    app.jinja_options = {"finalize": _shown, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.filters.update(words.FILTERS)
    app.jinja_env.globals.update(
        principal=principal,
        is_known=_is_known,
        mark=visits.mark,
        may_read=_may_read,
        may_review=_may_review,
        here=lambda *names: request.blueprint in names,
    )
    app.url_map.strict_slashes = False
    app.before_request(_refuse_other_sites)
    app.before_request(_ask_who)
    app.after_request(_add_headers)
    app.register_error_handler(ArchimedError, _failed)
    app.register_error_handler(HTTPException, _refused)
    app.add_url_rule(f"/{DESK}", "enter", lambda: redirect(f"/{DESK}/", 308))
    app.register_blueprint(entering.make(services), url_prefix=f"/{DESK}")
    app.register_blueprint(account.make(services), url_prefix=f"/{DESK}")
    app.register_blueprint(reading.make(services), url_prefix=f"/{DESK}")
    app.register_blueprint(searching.make(services), url_prefix=f"/{DESK}")
    app.register_blueprint(pages.make(services), url_prefix=f"/{DESK}")
    app.register_blueprint(viewing.make(services), url_prefix=f"/{DESK}")
    app.register_blueprint(bulk.make(services), url_prefix=f"/{DESK}")
    app.register_blueprint(deciding.make(services), url_prefix=f"/{DESK}")
    return app


def _shown(value: object) -> object:
    """Return a value as a page may hold it: whatever a scanner or a client wrote, it steers neither page nor reader."""
    return words.plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _may_read() -> bool:
    return visits.has_scope(Scope.READ)


def _may_review() -> bool:
    return visits.has_scope(Scope.STAGING) and principal().may(Action.IMPORT)


def _is_known() -> bool:
    return request_of(request.environ).session is not None


def _ask_who() -> AnyResponse | tuple[str, int] | None:
    """Let strangers see the log-in alone, and what its page needs; and each by what the credentials are good for."""
    if request.endpoint in _OPEN:
        return None
    if _is_known():
        if request.blueprint in _SCOPES and request.endpoint != _FRONT:
            request_of(request.environ).require(_SCOPES[request.blueprint])
        return None
    if is_person(request.environ):
        here = request.full_path.removesuffix("?")
        return redirect(url_for("entering.login", next=here if here.strip("/") != DESK else None), 303)
    if request.method in _SAFE:
        raise Unauthenticated  # a program is asked for Basic; browsers ask for no picture before they are logged in
    return render_template("ended.html", going_to=_page_of(request.path)), 401


def _page_of(path: str) -> str:
    """Return the page that a form stands on."""
    return path.rpartition("/")[0] + ("/" if path.count("/") < _DEEP else "")


def _refuse_other_sites() -> None:
    if request.method in _SAFE:
        return
    # Read before anything is refused: a browser that still sends would not get to read why.
    _ = request.form
    request_of(request.environ).exchange.body_is_read = True
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    has_mark = bool(visits.mark())
    says_nothing = site is None and origin is None
    if not (has_mark and says_nothing) and not is_own(site, origin, request.host):
        raise Refused(
            "this did not come from a page of the desk, so nothing was changed. Open the desk and do it there; programs use "
            "the command line"
        )
    if request.endpoint == "entering.enter" and not has_mark:
        raise Refused(
            "the browser did not send the cookie of the log-in page: allow cookies, load the page again and log in there"
        )
    if has_mark and (_is_known() or request.endpoint == "entering.enter"):
        visits.require_mark(request)


def is_own(site: str | None, origin: str | None, host: str) -> bool:
    """Whether a browser says that a request comes from a page of this very server.

    Args:
        site: header Sec-Fetch-Site, which browsers send over TLS and to this machine itself.
        origin: header Origin, which they send with every form.
        host: header Host.
    """
    if site is not None:
        return site in _OWN
    if not origin or origin == "null":
        return False
    try:
        asked = urlsplit(origin)
        default = _DEFAULT_PORTS[asked.scheme]
        # The scheme is the proxy's affair: before it, the same host may well have been asked over TLS.
        served = urlsplit(f"//{host}")
        places = {(each.hostname, each.port or default) for each in (asked, served)}
    except (KeyError, ValueError):
        return False
    return len(places) == 1


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        if not (name == "Cache-Control" and request.endpoint == "static" and response.status_code == 200):
            response.headers[name] = value
    return response


def _failed(error: ArchimedError) -> tuple[str, int] | AnyResponse:
    if isinstance(error, Unauthenticated):
        return answers.failure(error)
    if isinstance(error, Unavailable):
        _log.warning("%s", error)
    return render_template("failed.html", message=words.for_the_web(str(error))), answers.status_of(error)


def _refused(error: HTTPException) -> AnyResponse | tuple[str, int] | HTTPException:
    if error.code is None or error.code < 400:
        return error
    message = words.HTTP_ERRORS.get(error.code, "the desk cannot answer that")
    return render_template("failed.html", message=message), error.code
