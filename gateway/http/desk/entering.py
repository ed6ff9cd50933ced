"""Log-in and log-out. Whether a password is right is asked of `gateway.credentials`, as for every other door."""

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from catalog.pure.errors import Unavailable
from catalog.pure.names import folded
from gateway.credentials import Session, Unauthenticated, to_basic
from gateway.http.desk import visits, words
from gateway.http.desk.services import DeskServices
from gateway.http.requests import request_of

_FAILED_OF_ONE, _FAILED_OF_ADDRESS, _FAILED_SECONDS = 10, 40, 300
_WRONG = "That login and password do not fit together, or the token was revoked or has expired"


def make(services: DeskServices) -> Blueprint:
    """Return what lets people in and out."""
    blueprint = Blueprint("entering", __name__)
    of_login = visits.Attempts(_FAILED_OF_ONE, _FAILED_SECONDS)
    of_address = visits.Attempts(_FAILED_OF_ADDRESS, _FAILED_SECONDS)

    @blueprint.get("/login")
    def login() -> ResponseReturnValue:
        going_to = visits.safe_address(request.args.get("next", ""))
        if visits.visit().web is not None:
            return redirect(going_to, 303)
        return _form(going_to, ended="ended" in request.args)

    @blueprint.post("/login")
    def enter() -> ResponseReturnValue:
        going_to = visits.safe_address(request.form.get("next", ""))
        if visits.visit().web is not None:  # sent twice: the first one was right
            return redirect(going_to, 303)
        name, secret = request.form.get("login", "").strip(), request.form.get("password", "")
        address = request_of(request.environ).address
        seconds = max(of_login.wait(f"{address} {folded(name)}"), of_address.wait(address))
        if seconds:
            minutes = words.counted(-(-seconds // 60), "minute")
            answer = _form(going_to, name, f"Too many log-ins failed: wait {minutes}, then try again", 429)
            answer.headers["Retry-After"] = str(seconds)
            return answer
        try:
            session = _checked(name, secret)
        except Unauthenticated:
            of_login.failed(f"{address} {folded(name)}")
            of_address.failed(address)
            return _form(going_to, name, _WRONG, 401)
        except Unavailable as error:
            return _form(going_to, name, words.sentence(str(error)), 503)
        answer = make_response(redirect(going_to, 303))
        visits.log_in(services, session, answer)
        return answer

    @blueprint.post("/logout")
    def logout() -> ResponseReturnValue:
        answer = make_response(redirect(url_for("entering.login", ended=1), 303))
        visits.log_out(services, answer, everywhere="everywhere" in request.form)
        return answer

    return blueprint


def _checked(login: str, secret: str) -> Session:
    if ":" in login or not login:  # Basic parts them there
        raise Unauthenticated
    return request_of(request.environ).authenticate(to_basic(login, secret))


def _form(going_to: str, login: str = "", problem: str = "", status: int = 200, *, ended: bool = False) -> Response:
    def page(mark: str) -> Response:
        text = render_template("login.html", going_to=going_to, login=login, problem=problem, ended=ended, mark=mark)
        return make_response(text, status)

    return visits.mark_of_log_in(page)
