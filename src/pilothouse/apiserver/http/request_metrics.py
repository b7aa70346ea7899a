"""Counts and latencies of requests, named as upstream's; made for being cheap on the way in.

- An observation is a dictionary lookup and an addition (well under a microsecond); prometheus-client only sees the sums, at exposition.
- The number of series is bounded by resources, verbs and codes, not by what clients send.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from pilothouse.kit.histogram import cumulative

BUCKETS_SECONDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
"""Upstream's buckets of apiserver_request_duration_seconds."""
BUCKETS_BYTES = tuple(1000 * 10**power for power in range(7))
"""Upstream's buckets of apiserver_response_sizes."""
SIZED = ("GET", "LIST")
SERIES_LIMIT = 20_000
LABELS = ("verb", "group", "version", "resource", "subresource", "scope")
OTHER = ("OTHER", "", "", "", "", "")


class Series:
    """Counters of one combination of labels: requests by code, and the histogram of latencies."""

    __slots__ = ("buckets", "bytes", "codes", "seconds", "sizes")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.buckets = [0] * (len(BUCKETS_SECONDS) + 1)
        self.seconds = 0.0
        self.sizes: list[int] | None = None
        self.bytes = 0


class RequestMetrics:
    """Request counts and latencies, as a Prometheus collector."""

    def __init__(self) -> None:
        self.series: dict[tuple[str, ...], Series] = {}
        self.long_running: dict[tuple[str, ...], int] = {}
        self.rejected: dict[str, int] = {"mutating": 0, "readOnly": 0}

    def observe(self, labels: tuple[str, ...], code: int, seconds: float, size: int = -1) -> None:
        """Count one answered request. `size` is the length of its body; of reads alone, and -1 where it is not known."""
        series = self.series.get(labels)
        if series is None:
            labels = labels if len(self.series) < SERIES_LIMIT else OTHER
            series = self.series.setdefault(labels, Series())
        series.codes[code] = series.codes.get(code, 0) + 1
        series.buckets[bisect_left(BUCKETS_SECONDS, seconds)] += 1
        series.seconds += seconds
        if size >= 0 and labels[0] in SIZED:
            if series.sizes is None:
                series.sizes = [0] * (len(BUCKETS_BYTES) + 1)
            series.sizes[bisect_left(BUCKETS_BYTES, size)] += 1
            series.bytes += size

    def begin(self, labels: tuple[str, ...]) -> None:
        """A watch or stream has started."""
        self.long_running[labels] = self.long_running.get(labels, 0) + 1

    def end(self, labels: tuple[str, ...]) -> None:
        """And is over."""
        self.long_running[labels] -= 1

    def collect(self) -> Iterator[Any]:
        """The families of prometheus-client."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        total = CounterMetricFamily(
            "apiserver_request_total",
            "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, "
            "and HTTP response code.",
            labels=(*LABELS, "component", "dry_run", "code"),
        )
        duration = HistogramMetricFamily(
            "apiserver_request_duration_seconds",
            "Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, "
            "scope and component.",
            labels=(*LABELS, "component", "dry_run"),
        )
        indicator = HistogramMetricFamily(
            "apiserver_request_sli_duration_seconds",
            "Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in seconds for each "
            "verb, group, version, resource, subresource, scope and component.",
            labels=(*LABELS, "component"),
        )
        sizes = HistogramMetricFamily(
            "apiserver_response_sizes",
            "Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.",
            labels=(*LABELS, "component"),
        )
        for labels, series in list(self.series.items()):
            for code, count in series.codes.items():
                total.add_metric((*labels, "apiserver", "", str(code)), count)
            buckets = cumulative(BUCKETS_SECONDS, series.buckets)
            duration.add_metric((*labels, "apiserver", ""), buckets, series.seconds)
            indicator.add_metric((*labels, "apiserver"), buckets, series.seconds)
            if series.sizes is not None:
                sizes.add_metric((*labels, "apiserver"), cumulative(BUCKETS_BYTES, series.sizes), series.bytes)
        yield total
        yield duration
        yield indicator
        yield sizes
        watches = GaugeMetricFamily(
            "apiserver_longrunning_requests",
            "Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component.",
            labels=(*LABELS, "component"),
        )
        for labels, count in list(self.long_running.items()):
            watches.add_metric((*labels, "apiserver"), count)
        yield watches
        dropped = CounterMetricFamily(
            "apiserver_dropped_requests",
            "Number of requests dropped with 'Try again later' response",
            labels=("request_kind",),
        )
        for kind, count in self.rejected.items():
            dropped.add_metric((kind,), count)
        yield dropped
