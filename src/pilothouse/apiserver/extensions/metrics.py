"""Metrics of conversion webhooks (apiextensions-apiserver/pkg/apiserver/conversion/metrics.go)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.apiserver.admission.metrics import Counter, Histogram

OUTCOME = ("result", "failure_type")


class ConversionMetrics:
    """Conversion metrics of an API server."""

    def __init__(self) -> None:
        self.requests = Counter(
            "apiserver_conversion_webhook_request_total",
            "Counter for conversion webhook requests with success/failure and failure error type",
            OUTCOME,
        )
        self.request_seconds = Histogram(
            "apiserver_conversion_webhook_duration_seconds",
            "Conversion webhook request latency",
            OUTCOME,
            (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0),
        )
        self.conversion_seconds = Histogram(
            "apiserver_crd_conversion_webhook_duration_seconds",
            "CRD webhook conversion duration in seconds",
            ("crd_name", "from_version", "to_version", "succeeded"),
            tuple(0.001 * 2**power for power in range(15)),
        )

    def count(self, definition: str, versions: tuple[str, str], failure: str, seconds: float) -> None:
        """Note a call: its `failure` is "" when it converted."""
        outcome = ("failure", failure) if failure else ("success", "")
        self.requests.add(*outcome)
        self.request_seconds.observe(seconds, *outcome)
        self.conversion_seconds.observe(seconds, definition, *versions, "false" if failure else "true")

    def collect(self) -> Iterator[Any]:
        """The families of prometheus-client, but those without a sample."""
        for each in vars(self).values():
            if each.values:
                yield each.collect()
