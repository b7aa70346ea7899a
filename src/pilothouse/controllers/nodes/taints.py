"""Taints of nodes, and how long Pods tolerate them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pilothouse.api.types.core_v1 import Node, NodeCondition, Pod, Taint, Toleration

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"

BY_CONDITION = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
"""(condition, its status) -> the key of the NoSchedule taint that stands for it."""
OWN_KEYS = {*BY_CONDITION.values(), UNSCHEDULABLE}


def condition(node: Node, type: str) -> NodeCondition | None:
    return next((one for one in node.status.conditions if one.type == type), None)


def status_of(node: Node, type: str) -> str:
    """`True`, `False` or `Unknown`; Unknown when the condition is missing."""
    found = condition(node, type)
    return found.status if found is not None else "Unknown"


def no_schedule(conditions: Iterable[NodeCondition], unschedulable: bool) -> list[Taint]:
    """The NoSchedule taints that the conditions ask for."""
    keys = [BY_CONDITION[one.type, one.status] for one in conditions if (one.type, one.status) in BY_CONDITION]
    return [Taint(key=key, effect=NO_SCHEDULE) for key in (*keys, *([UNSCHEDULABLE] if unschedulable else []))]


def merged(current: Sequence[Taint], wanted: Sequence[Taint], effect: str, keys: Iterable[str]) -> list[Taint]:
    """`current` with those of this effect and these keys made as wanted; what is there already keeps its place and time."""
    names, own = {one.key for one in wanted}, {*keys}
    kept = [one for one in current if one.effect != effect or one.key not in own or one.key in names]
    known = {one.key for one in kept if one.effect == effect}
    return [*kept, *(one for one in wanted if one.key not in known)]


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return toleration.operator in ("", "Equal") and toleration.value == taint.value


def no_execute(node: Node) -> list[Taint]:
    return [one for one in node.spec.taints if one.effect == NO_EXECUTE]


def seconds_tolerated(pod: Pod, taints: Sequence[Taint]) -> float | None:
    """How long the Pod stays under these taints: 0 when one is not tolerated, None for ever."""
    used: list[Toleration] = []
    for taint in taints:
        found = next((one for one in pod.spec.tolerations if tolerates(one, taint)), None)
        if found is None:
            return 0.0
        used.append(found)
    limits = [max(0, one.tolerationSeconds) for one in used if one.tolerationSeconds is not None]
    return float(min(limits)) if limits else None
