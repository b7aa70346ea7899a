"""Metrics of the proxy, with kube-proxy's names, labels and buckets. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

SYNC_BUCKETS = tuple(0.001 * 2**power for power in range(15))
PROGRAMMING_BUCKETS = (0, 0.25, 0.5, *range(1, 60), *range(60, 116, 5), *range(120, 301, 30))
"""Upstream's list begins with a bucket of nothing."""
LABELS = '{ip_family="IPv4"}'


@dataclass(slots=True)
class Histogram:
    """Observations by bucket: of each bound how many were not above it and not in a bucket before."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def lines(self, name: str) -> Iterator[str]:
        """The histogram in Prometheus' text format."""
        total = 0
        for bound, count in zip((*(f"{bound:g}" for bound in self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            yield f'{name}_bucket{{ip_family="IPv4",le="{bound}"}} {total}'
        yield f"{name}_sum{LABELS} {self.sum}"
        yield f"{name}_count{LABELS} {total}"


@dataclass(slots=True)
class Metrics:
    """Changes seen (and not yet in place), and how rules were put in place. Times are seconds, moments seconds since the epoch."""

    service_changes: int = 0
    service_changes_pending: int = 0
    endpoint_changes: int = 0
    endpoint_changes_pending: int = 0
    sync: Histogram = field(default_factory=lambda: Histogram(SYNC_BUCKETS))
    programming: Histogram = field(default_factory=lambda: Histogram(PROGRAMMING_BUCKETS))
    """From what changed a Pod or a Service to the rules that follow from it."""
    last_sync: float = 0.0
    last_queued: float = 0.0
    failures: int = 0
    health_answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Of the proxy's own health, by question (healthz, livez) and status."""

    def synced(self, began: float, ended: float, lasted_seconds: float, triggers: Sequence[float]) -> None:
        """Rules are in place; `triggers` are the moments of the changes behind them."""
        self.sync.observe(lasted_seconds)
        self.last_queued, self.last_sync = began, ended
        self.service_changes_pending = self.endpoint_changes_pending = 0
        for moment in triggers:
            self.programming.observe(max(ended - moment, 0.0))

    def text(self) -> str:
        """Text of /metrics."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        for name, kind, told, value in (
            ("sync_proxy_rules_endpoint_changes_pending", "gauge", "Pending proxy rules Endpoint changes", self.endpoint_changes_pending),
            ("sync_proxy_rules_endpoint_changes_total", "counter", "Cumulative proxy rules Endpoint changes", self.endpoint_changes),
            ("sync_proxy_rules_service_changes_pending", "gauge", "Pending proxy rules Service changes", self.service_changes_pending),
            ("sync_proxy_rules_service_changes_total", "counter", "Cumulative proxy rules Service changes", self.service_changes),
            ("sync_proxy_rules_last_timestamp_seconds", "gauge", "The last time proxy rules were successfully synced", self.last_sync),
            (
                "sync_proxy_rules_last_queued_timestamp_seconds",
                "gauge",
                "The last time a sync of proxy rules was queued",
                self.last_queued,
            ),
            ("sync_proxy_rules_nftables_sync_failures_total", "counter", "Cumulative proxy nftables sync failures", self.failures),
        ):
            yield from head(name, kind, told)
            yield f"kubeproxy_{name}{LABELS} {value}"
        for name, told, histogram in (
            ("sync_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds", self.sync),
            ("network_programming_duration_seconds", "In Cluster Network Programming Latency in seconds", self.programming),
        ):
            yield from head(name, "histogram", told)
            yield from histogram.lines(f"kubeproxy_{name}")
        for question in ("healthz", "livez"):
            yield from head(f"proxy_{question}_total", "counter", f"Cumulative proxy {question} HTTP status")
            for (asked, code), count in sorted(self.health_answers.items()):
                if asked == question:
                    yield f'kubeproxy_proxy_{question}_total{{code="{code}"}} {count}'


def head(name: str, kind: str, told: str) -> Iterator[str]:
    """The HELP and TYPE lines of a metric."""
    yield f"# HELP kubeproxy_{name} [ALPHA] {told}"
    yield f"# TYPE kubeproxy_{name} {kind}"
