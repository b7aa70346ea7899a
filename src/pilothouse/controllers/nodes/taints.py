"""Taints of nodes, and how long Pods tolerate them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pilothouse.api import wellknown
from pilothouse.api.core.tolerations import tolerates_taint
from pilothouse.api.types.core_v1 import Node, NodeCondition, Pod, Taint, Toleration
from pilothouse.machinery.conditions import find_condition

UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"

BY_CONDITION = {
    ("Ready", "False"): wellknown.NODE_NOT_READY,
    ("Ready", "Unknown"): wellknown.NODE_UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
"""(condition, its status) -> the key of the NoSchedule taint that stands for it."""
OWN_KEYS = {*BY_CONDITION.values(), UNSCHEDULABLE}


def condition(node: Node, type: str) -> NodeCondition | None:
    """The node's condition of this type, or None."""
    return find_condition(node.status.conditions, type)


def status_of(node: Node, type: str) -> str:
    """`True`, `False` or `Unknown`; Unknown when the condition is missing."""
    current = condition(node, type)
    return current.status if current is not None else "Unknown"


def no_schedule(conditions: Iterable[NodeCondition], unschedulable: bool) -> list[Taint]:
    """The NoSchedule taints that the conditions ask for."""
    keys = [
        BY_CONDITION[condition.type, condition.status] for condition in conditions if (condition.type, condition.status) in BY_CONDITION
    ]
    return [Taint(key=key, effect=NO_SCHEDULE) for key in (*keys, *([UNSCHEDULABLE] if unschedulable else []))]


def merged(current: Sequence[Taint], wanted: Sequence[Taint], effect: str, keys: Iterable[str]) -> list[Taint]:
    """`current` with those of this effect and these keys made as wanted; what is there already keeps its place and time."""
    names, own = {taint.key for taint in wanted}, {*keys}
    kept = [taint for taint in current if taint.effect != effect or taint.key not in own or taint.key in names]
    known = {taint.key for taint in kept if taint.effect == effect}
    return [*kept, *(taint for taint in wanted if taint.key not in known)]


def no_execute(node: Node) -> list[Taint]:
    """The node's taints with effect NoExecute."""
    return [taint for taint in node.spec.taints if taint.effect == NO_EXECUTE]


def seconds_tolerated(pod: Pod, taints: Sequence[Taint]) -> float | None:
    """How long the Pod tolerates these taints: 0 when it does not tolerate one, None for no limit."""
    used: list[Toleration] = []
    for taint in taints:
        toleration = next((toleration for toleration in pod.spec.tolerations if tolerates_taint(toleration, taint)), None)
        if toleration is None:
            return 0.0
        used.append(toleration)
    limits = [max(0, toleration.tolerationSeconds) for toleration in used if toleration.tolerationSeconds is not None]
    return float(min(limits)) if limits else None
