"""Metrics of policies (upstream: policy/validating/metrics, policy/mutating/metrics)."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.apiserver.admission.expressions.evaluation import OUT_OF_BUDGET
from pilothouse.apiserver.admission.metrics import NO_ERROR, AdmissionMetrics
from pilothouse.apiserver.admission.policies.decisions import Verdict


def error_type(message: str) -> str:
    """The label for an error: its text tells which it is, as upstream."""
    if message.startswith("compilation"):
        return "compile_error"
    return "out_of_budget" if message.startswith(OUT_OF_BUDGET) else "invalid_error"


def count_verdict(metrics: AdmissionMetrics, names: tuple[str, str], actions: Sequence[str], verdict: Verdict, seconds: float) -> None:
    """Count the result of a validating policy under a binding; a false validation counts as "invalid_error", as upstream."""
    noted: list[tuple[str, str]] = []
    for decision in verdict.decisions:
        if decision.denies:
            noted += [(error_type(decision.message), action.lower()) for action in actions]
        elif decision.is_error:
            noted.append((error_type(decision.message), "allow"))
    noted += [(error_type(annotation.error), "deny") for annotation in verdict.annotations if annotation.error]
    for labels in noted:
        metrics.validation_checks.add(*names, *labels)
        metrics.validation_seconds.observe(seconds, *names, *labels)


def count_mutation(metrics: AdmissionMetrics, names: tuple[str, str], error: str, seconds: float) -> None:
    """Note how one mutation ended; `error` "" when it was made."""
    labels = (*names, error_type(error) if error else NO_ERROR)
    metrics.mutation_checks.add(*labels)
    metrics.mutation_seconds.observe(seconds, *labels)
