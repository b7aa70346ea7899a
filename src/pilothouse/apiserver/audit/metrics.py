"""What auditing is counted by (`apiserver_audit_*`); paths/audit_metrics.py shows it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class AuditMetrics:
    """One per API server."""

    events: int = 0
    """Handed to backends."""
    errors: Counter[str] = field(default_factory=Counter)
    """Events that were not recorded, by the plugin that lost them: log, webhook, buffered, truncate."""
    levels: Counter[str] = field(default_factory=Counter)
    """Requests by the level that the policy gave them."""
    rejected: int = 0
    """Requests that were refused because their event could not be recorded (blocking-strict)."""
