"""Counters and latencies of admission, named as upstream's (k8s.io/apiserver/pkg/admission/metrics).

An observation is a lookup in a dict and an addition; prometheus-client sees the sums at exposition. The number of series is bounded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

SERIES_LIMIT = 10_000
CODES_LIMIT = 600
"""Larger codes count as this one, as upstream does to bound the number of series."""
CALLING_ERROR, SERVER_ERROR, NO_ERROR = "calling_webhook_error", "apiserver_internal_error", "no_error"
"""Why a webhook's request was refused: it could not be asked, its answer could not be used, it said so."""


class Counter:
    """A number for each combination of labels."""

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self.name, self.text, self.labels = name, text, tuple(labels)
        self.values: dict[tuple[str, ...], int] = {}

    def add(self, *labels: str) -> None:
        """Count one; combinations beyond the limit are counted together."""
        key = labels if labels in self.values or len(self.values) < SERIES_LIMIT else ("",) * len(labels)
        self.values[key] = self.values.get(key, 0) + 1

    def collect(self) -> Any:
        """The family of prometheus-client."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        family: Any = CounterMetricFamily if self.name.endswith("_total") else GaugeMetricFamily
        metric = family(self.name, self.text, labels=self.labels)  # a counter of any other name would be renamed
        for labels, value in list(self.values.items()):
            metric.add_metric(labels, value)
        return metric


class Histogram:
    """Seconds for each combination of labels."""

    def __init__(self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self.name, self.text, self.labels, self.bounds = name, text, tuple(labels), tuple(bounds)
        self.values: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}

    def observe(self, seconds: float, *labels: str) -> None:
        """Count one that took so long."""
        key = labels if labels in self.values or len(self.values) < SERIES_LIMIT else ("",) * len(labels)
        buckets, total = self.values.setdefault(key, ([0] * (len(self.bounds) + 1), [0.0]))
        buckets[bisect_left(self.bounds, seconds)] += 1
        total[0] += seconds

    def collect(self) -> Any:
        """The family of prometheus-client."""
        from prometheus_client.core import HistogramMetricFamily

        metric = HistogramMetricFamily(self.name, self.text, labels=self.labels)
        for labels, (buckets, total) in list(self.values.items()):
            metric.add_metric(labels, list(self._cumulative(buckets)), total[0])
        return metric

    def _cumulative(self, buckets: list[int]) -> Iterator[tuple[str, float]]:
        counted = 0
        for bound, count in zip((*(f"{bound:g}" for bound in self.bounds), "+Inf"), buckets, strict=True):
            counted += count
            yield bound, counted


class AdmissionMetrics:
    """Metrics of admission of one API server."""

    def __init__(self) -> None:
        of_call = ("name", "type", "operation")
        self.webhook_seconds = Histogram(
            "apiserver_admission_webhook_admission_duration_seconds",
            "Admission webhook latency histogram in seconds, identified by name and broken out for each operation and type.",
            (*of_call, "rejected"),
            (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0),
        )
        self.webhook_requests = Counter(
            "apiserver_admission_webhook_request_total",
            "Admission webhook request total, identified by name and broken out for each type, operation, code and outcome.",
            (*of_call, "code", "rejected"),
        )
        self.webhook_rejections = Counter(
            "apiserver_admission_webhook_rejection_count",
            "Admission webhook rejection count, identified by name and broken out for each type, operation, error type and code.",
            (*of_call, "error_type", "rejection_code"),
        )
        self.webhook_failed_open = Counter(
            "apiserver_admission_webhook_fail_open_count",
            "Admission webhook fail open count, identified by name and broken out for each type.",
            ("name", "type"),
        )
        self.step_seconds = Histogram(
            "apiserver_admission_step_admission_duration_seconds",
            "Admission sub-step latency histogram in seconds, broken out for each operation and type of step (validate or admit).",
            ("type", "operation", "rejected"),
            (0.005, 0.025, 0.1, 0.5, 1.0, 2.5),
        )
        of_conditions = ("name", "kind", "type", "operation")
        self.condition_seconds = Histogram(
            "apiserver_admission_match_condition_evaluation_seconds",
            "Admission match condition evaluation time in seconds, identified by name, kind, type and operation.",
            of_conditions,
            (0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25),
        )
        self.condition_errors = Counter(
            "apiserver_admission_match_condition_evaluation_errors_total",
            "Admission match condition evaluation errors count, identified by name, kind, type and operation.",
            of_conditions,
        )
        self.condition_exclusions = Counter(
            "apiserver_admission_match_condition_exclusions_total",
            "Admission match condition evaluation exclusions count, identified by name, kind, type and operation.",
            of_conditions,
        )
        self._of_policies()

    def _of_policies(self) -> None:
        of_policy, bounds = ("policy", "policy_binding", "error_type"), (0.0000005, 0.001, 0.01, 0.1, 1.0)
        identified = "labeled by policy and further identified by binding"
        self.validation_checks = Counter(
            "apiserver_validating_admission_policy_check_total",
            f"Validation admission policy check total, {identified} and enforcement action taken.",
            (*of_policy, "enforcement_action"),
        )
        self.validation_seconds = Histogram(
            "apiserver_validating_admission_policy_check_duration_seconds",
            f"Validation admission latency for individual validation expressions in seconds, {identified} and enforcement action taken.",
            (*of_policy, "enforcement_action"),
            bounds,
        )
        self.mutation_checks = Counter(
            "apiserver_mutating_admission_policy_check_total", f"Mutation admission policy check total, {identified}.", of_policy
        )
        self.mutation_seconds = Histogram(
            "apiserver_mutating_admission_policy_check_duration_seconds",
            f"Mutation admission latency for individual mutation expressions in seconds, {identified}.",
            of_policy,
            bounds,
        )

    def collect(self) -> Iterator[Any]:
        """The families of prometheus-client, but those without a sample."""
        for each in vars(self).values():
            if each.values:
                yield each.collect()


def code_label(code: int) -> str:
    """An HTTP code as a label."""
    return str(min(code, CODES_LIMIT))
