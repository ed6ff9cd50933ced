"""One's own account: tokens, made, listed and revoked, and the browsers that are logged in."""

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from catalog import administration, clock
from catalog.administration import Scope
from catalog.pure.access import Action
from catalog.pure.errors import ArchimedError, NotFound
from gateway.http.answers import status_of
from gateway.http.desk import visits
from gateway.http.desk.numbers import NUMBER
from gateway.http.desk.services import DeskServices, principal
from gateway.http.requests import request_of

_DAY = 86_400
_DAYS = (7, 30, 90, 365)


def make(services: DeskServices) -> Blueprint:
    """Return the pages of one's own account."""
    blueprint = Blueprint("account", __name__)
    database = services.database

    @blueprint.get("/account")
    def show() -> ResponseReturnValue:
        return _page(services)

    @blueprint.post("/account/tokens")
    def make_token() -> ResponseReturnValue:
        scopes = [scope for scope in Scope if scope in request.form.getlist("scope")]
        days = request.form.get("days", 30, type=int)
        session = request_of(request.environ).session
        try:
            secret = administration.create_own_token(
                database, principal(), scopes, days * _DAY, with_token=session.token if session else b""
            )
        except ArchimedError as error:
            return _page(services, problem=str(error), status=status_of(error))
        return _page(services, secret=secret)

    @blueprint.post(f"/account/tokens/{NUMBER}/revoke")
    def revoke_token(number: int) -> ResponseReturnValue:
        administration.revoke_own_token(database, principal(), number)
        return redirect(url_for("account.show"), 303)

    @blueprint.post(f"/account/sessions/{NUMBER}/end")
    def end_session(number: int) -> ResponseReturnValue:
        if not administration.end_sessions(database, principal(), number):
            raise NotFound("that session has ended already")
        return redirect(url_for("account.show"), 303)

    return blueprint


def _page(services: DeskServices, *, secret: str = "", problem: str = "", status: int = 200) -> ResponseReturnValue:
    own, web = principal(), visits.visit().web
    scopes = [scope for scope in Scope if scope is not Scope.ADMIN or own.may(Action.ADMINISTER)]
    page = render_template(
        "account.html", tokens=administration.list_tokens(services.database, own), secret=secret, problem=problem,
        sessions=administration.list_sessions(services.database, own, services.idle_seconds), own=web.id if web else None,
        scopes=scopes, days=_DAYS, now=clock.now(), idle_minutes=services.idle_seconds // 60,
    )  # fmt: skip
    return make_response(page, status)
