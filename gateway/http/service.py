"""Pages about the service itself, for machines, without a login: alive, ready, and figures.

/healthz   this process answers
/readyz    could requests be served, or what is away?
/metrics   figures, for a monitoring system

All but the first are for this machine alone, and not found by who comes from elsewhere or through a proxy.
"""

from collections.abc import Callable, Mapping

from flask import Flask, Response, jsonify
from werkzeug.wrappers import Response as Answered

from catalog.pure.errors import NotFound
from gateway.health import Answer
from gateway.http.app import Login, Part
from gateway.http.metrics import Metrics
from gateway.http.requests import Request, is_from_this_machine

HEALTH = "healthz"
READY = "readyz"
METRICS = "metrics"


Look = Callable[[], Mapping[str, Answer]]


def parts(metrics: Metrics, look: Look) -> list[Part]:
    """Return the pages as parts of the door."""
    app = make_service(metrics, look)

    def answer(request: Request) -> Answered:
        if request.environ.get("PATH_INFO") != f"/{HEALTH}" and not is_from_this_machine(request.environ):
            raise NotFound("there is no such file or folder")
        return Answered.from_app(app.wsgi_app, request.for_application())

    return [Part(prefix, answer, login=Login.NEVER, label="service") for prefix in (HEALTH, READY, METRICS)]


def make_service(metrics: Metrics, look: Look) -> Flask:
    """Return the Flask application."""
    app = Flask("archimed", static_folder=None)

    @app.get(f"/{HEALTH}")
    def healthz() -> Response:
        """Say that this process answers; it asks nobody, so a slow database does not get it killed."""
        return Response("ok\n", mimetype="text/plain")

    @app.get(f"/{READY}")
    def readyz() -> tuple[Response, int]:
        """Say whether all that requests need is there: 200, or 503 with what is not."""
        answers = look()
        ready = not any(answer.problem for answer in answers.values())
        report = {"ready": ready, "checks": {name: answer.as_json() for name, answer in answers.items()}}
        return jsonify(report), 200 if ready else 503

    @app.get(f"/{METRICS}")
    def figures() -> Response:
        """Give the figures of all worker processes."""
        body, content_type = metrics.text()
        return Response(body, content_type=content_type)

    return app
