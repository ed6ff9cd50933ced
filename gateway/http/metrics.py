"""Counters of the HTTP door for Prometheus, by method, status and part of the door: never by a login, a path or a code.

With several worker processes each keeps its own, in the folder that `gateway.http.server` names in PROMETHEUS_MULTIPROC_DIR;
whoever is asked adds them up.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


Figures = Callable[[], Mapping[str, tuple[str, float]]]
"""Returns what is looked up whenever somebody asks: by name, what it is and how much."""


class Metrics:
    """What is counted. Make one in each process, after it was forked.

    Args:
        figures: gives figures of the whole archive, the same in all processes.
    """

    def __init__(self, figures: Figures = dict) -> None:
        self._figures = figures
        # Imported here, not above: the module decides when it is imported whether there are several processes.
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self._registry = CollectorRegistry()
        self._requests = Counter(
            "archimed_http_requests", "Requests answered", ["part", "method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "archimed_http_answer_seconds",
            "Time until an answer could begin to be sent",
            ["part"],
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
            registry=self._registry,
        )

    def observe(self, part: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(part, method, str(status)).inc()
        self._seconds.labels(part).observe(seconds)

    def text(self) -> tuple[bytes, str]:
        """Return the figures of all processes and their content type."""
        from prometheus_client import generate_latest
        from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

        return generate_latest(self._whole()) + generate_latest(self._looked_up()), CONTENT_TYPE_PLAIN_0_0_4

    def _looked_up(self) -> "CollectorRegistry":
        from prometheus_client import CollectorRegistry

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_LookedUp(self._figures))  # a gauge of the library's would leave a file behind for each process
        return registry

    def _whole(self) -> "CollectorRegistry":
        if _FOLDER not in os.environ:
            return self._registry
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # so in prometheus-client
        return registry


@dataclass(frozen=True, slots=True)
class _LookedUp:
    """What the library asks for figures that are looked up."""

    figures: Figures

    def collect(self) -> "Iterator[GaugeMetricFamily]":
        """Yield each figure."""
        from prometheus_client.core import GaugeMetricFamily

        for name, (says, value) in self.figures().items():
            yield GaugeMetricFamily(name, says, value=value)
