"""PodDisruptionBudget: how many Pods may be evicted at a time."""

from __future__ import annotations

from typing import Any

from pilothouse.api.apps.workload import validate_share
from pilothouse.api.core.validation.conditions import validate_conditions
from pilothouse.api.core.validation.fields import nonnegative, optional_one_of
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.internal import internal
from pilothouse.api.types.policy_v1 import PodDisruptionBudget
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import Strategy


def _or_not_applicable(value: Any) -> str:
    return "N/A" if value is None else str(value)


PODDISRUPTIONBUDGET = Resource(
    PodDisruptionBudget,
    plural="poddisruptionbudgets",
    short_names=("pdb",),
    subresources=(STATUS,),
    columns=(
        Column("Min Available", lambda budget: _or_not_applicable(budget.spec.minAvailable)),
        Column("Max Unavailable", lambda budget: _or_not_applicable(budget.spec.maxUnavailable)),
        Column("Allowed Disruptions", lambda budget: budget.status.disruptionsAllowed, type="integer"),
        AGE,
    ),
    strategy=Strategy(any_finalizer=True, allow_unconditional_update=False),
    name_rule=names.path_segment,
)


@PODDISRUPTIONBUDGET.validate
def validate(budget: PodDisruptionBudget, problems: Problems) -> None:
    """Validate minAvailable or maxUnavailable, selector, eviction policy. Upstream: ValidatePodDisruptionBudgetSpec."""
    spec, here = budget.spec, problems.at("spec")
    if spec.minAvailable is not None and spec.maxUnavailable is not None:
        here.invalid(internal(spec, "policy.PodDisruptionBudgetSpec"), "minAvailable and maxUnavailable cannot be both set")
    for field in ("minAvailable", "maxUnavailable"):
        validate_share(getattr(spec, field), here.at(field), limited=True)
    validate_label_selector(spec.selector, here.at("selector"))
    optional_one_of(spec.unhealthyPodEvictionPolicy, ("AlwaysAllow", "IfHealthyBudget"), here, "unhealthyPodEvictionPolicy")


@PODDISRUPTIONBUDGET.validate_status
def validate_status(old: PodDisruptionBudget, new: PodDisruptionBudget, problems: Problems) -> None:
    """Counts are not negative, and conditions are valid. Upstream: ValidatePodDisruptionBudgetStatusUpdate."""
    for field in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"):
        nonnegative(getattr(new.status, field), problems, "status", field)
    validate_conditions(new.status.conditions, problems.at("status", "conditions"))
