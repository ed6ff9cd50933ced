"""Pages about the service itself, for machines: alive, ready, and figures."""

from collections.abc import Callable, Mapping

from flask import Flask, Response, jsonify

from gateway.health import Answer
from gateway.http.metrics import Metrics

HEALTH = "healthz"
READY = "readyz"
METRICS = "metrics"


Look = Callable[[], Mapping[str, Answer]]


def make_service(metrics: Metrics, look: Look) -> Flask:
    """Return the Flask application; who may ask for what is decided by the front before it is called."""
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
        told = {"ready": ready, "checks": {name: answer.told() for name, answer in answers.items()}}
        return jsonify(told), 200 if ready else 503

    @app.get(f"/{METRICS}")
    def figures() -> Response:
        """Give the figures of all worker processes."""
        body, content_type = metrics.text()
        return Response(body, content_type=content_type)

    return app
