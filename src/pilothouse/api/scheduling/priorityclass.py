"""PriorityClass: a name for a priority of Pods."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import one_of
from pilothouse.api.types.scheduling_v1 import PriorityClass
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy, never

HIGHEST_USER_VALUE = 1_000_000_000
SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
"""The classes that the cluster itself has."""
FIXED = "may not be changed in an update."

PRIORITYCLASS = Resource(
    PriorityClass,
    plural="priorityclasses",
    short_names=("pc",),
    namespaced=False,
    columns=(
        Column("Value", lambda priority_class: priority_class.value, type="integer"),
        Column("Global-Default", lambda priority_class: bool(priority_class.globalDefault), type="boolean"),
        AGE,
        Column("PreemptionPolicy", lambda priority_class: priority_class.preemptionPolicy or ""),
    ),
    strategy=Strategy(generation=never),
)


@PRIORITYCLASS.default
def default(priority_class: PriorityClass) -> None:
    """Preemption policy PreemptLowerPriority. Upstream: SetDefaults_PriorityClass."""
    if priority_class.preemptionPolicy is None:
        priority_class.preemptionPolicy = "PreemptLowerPriority"


@PRIORITYCLASS.validate
def validate(priority_class: PriorityClass, problems: Problems) -> None:
    """Names with `system-` are reserved, and user values are limited. Upstream: ValidatePriorityClass."""
    name = priority_class.metadata.name
    if name.startswith("system-"):
        if SYSTEM.get(name) != priority_class.value or priority_class.globalDefault:
            message = "priority class names with 'system-' prefix are reserved for system use only. error: " + _why(priority_class)
            problems.at("metadata", "name").forbidden(message)
    elif priority_class.value > HIGHEST_USER_VALUE:
        problems.at("value").forbidden(f"maximum allowed value of a user defined priority is {HIGHEST_USER_VALUE}")
    if not priority_class.metadata.resourceVersion:  # an update may not change it
        one_of(priority_class.preemptionPolicy or "", ("PreemptLowerPriority", "Never"), problems, "preemptionPolicy")


def _why(priority_class: PriorityClass) -> str:
    name = priority_class.metadata.name
    if name not in SYSTEM:
        return f"{name} is not a known system priority class"
    if SYSTEM[name] != priority_class.value:
        return f"value of {name} PriorityClass must be {SYSTEM[name]}"
    return f"globalDefault of {name} must be false"


@PRIORITYCLASS.validate_update
def validate_update(old: PriorityClass, new: PriorityClass, problems: Problems) -> None:
    """Value and preemption policy never change. Upstream: ValidatePriorityClassUpdate."""
    if old.value != new.value:
        problems.at("value").forbidden(FIXED)
    if old.preemptionPolicy != new.preemptionPolicy:
        problems.at("preemptionPolicy").invalid(new.preemptionPolicy, IMMUTABLE)
