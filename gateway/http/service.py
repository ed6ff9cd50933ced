"""Pages about the service itself, for machines: alive, and figures."""

from flask import Flask, Response

from gateway.http.metrics import Metrics

HEALTH = "healthz"
METRICS = "metrics"


def make_service(metrics: Metrics) -> Flask:
    """Return the Flask application; who may ask for what is decided by the front before it is called."""
    app = Flask("archimed", static_folder=None)

    @app.get(f"/{HEALTH}")
    def healthz() -> Response:
        """Say that this process answers; it asks nobody, so a slow database does not get it killed."""
        return Response("ok\n", mimetype="text/plain")

    @app.get(f"/{METRICS}")
    def figures() -> Response:
        """Give the figures of all worker processes."""
        body, content_type = metrics.text()
        return Response(body, content_type=content_type)

    return app
