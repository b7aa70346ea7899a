"""Metrics of authentication, authorization and flow control."""

from __future__ import annotations

from pilothouse.kit.histogram import Histograms

LOGIN_SECONDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384)
SUCCESS, FAILURE = ("success",), ("failure",)
ALLOWED, DENIED = ("allowed",), ("denied",)


class Counters:
    """Metrics counters of a server, exposed by paths/server_metrics.py."""

    def __init__(self) -> None:
        self.authentications = Histograms(LOGIN_SECONDS, ("result",))
        self.authorizations = Histograms(LOGIN_SECONDS, ("result",))
        self.dispatched: dict[tuple[str, str], int] = {}
        """Requests by flow schema and priority level."""

    def dispatch(self, schema: str, level: str) -> None:
        """Count a request under its flow schema and priority level."""
        self.dispatched[schema, level] = self.dispatched.get((schema, level), 0) + 1
