"""Metrics of auditing, named and labelled as upstream's (apiserver/pkg/audit/metrics.go)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.apiserver.audit.metrics import AuditMetrics
from pilothouse.apiserver.paths.server_metrics import counter


class AuditCollector:
    """Audit metrics of a server, as a Prometheus collector."""

    def __init__(self, metrics: AuditMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Any]:
        """The families of prometheus-client."""
        metrics, at = self._metrics, "apiserver_audit"
        yield counter(f"{at}_event_total", "Counter of audit events generated and sent to the audit backend.", (), {(): metrics.events})
        errors = {(plugin,): count for plugin, count in list(metrics.errors.items())}
        yield counter(f"{at}_error_total", "Counter of audit events that failed to be audited properly.", ("plugin",), errors)
        levels = {(level,): count for level, count in list(metrics.levels.items())}
        yield counter(f"{at}_level_total", "Counter of policy levels for audit events (1 per request).", ("level",), levels)
        text = "Counter of apiserver requests rejected due to an error in audit logging backend."
        yield counter(f"{at}_requests_rejected_total", text, (), {(): metrics.rejected})
