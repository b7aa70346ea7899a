"""Preemption by the kubelet: which Pods end for a critical Pod that was bound to a full node. Pure.

As upstream's critical pod admission: best-effort pods go before burstable ones, and those before guaranteed ones; of each class as few
and as small ones as are needed. Amounts: cpu in milli-cores, everything else in whole units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.pods.amounts import pod_requests
from pilothouse.kubelet.pods.qos import BEST_EFFORT, BURSTABLE, CRITICAL_PRIORITY, GUARANTEED, qos_class
from pilothouse.kubelet.pods.spec import is_mirror, is_static

REASON, MESSAGE = "Preempting", "Preempted in order to admit critical pod"
CONDITION_MESSAGE = "Pod was preempted by Kubelet to accommodate a critical pod."
Requirements = Mapping[str, int]
"""How much of each resource is missing."""


class NoRoom(Exception):
    """All Pods that may be preempted would not free enough; the text is upstream's."""


def is_critical(pod: Pod) -> bool:
    """Whether a Pod is critical: neither evicted nor rejected for lack of resources."""
    return is_static(pod) or is_mirror(pod) or (pod.spec.priority or 0) >= CRITICAL_PRIORITY


def pods_to_preempt(pod: Pod, others: Iterable[Pod], missing: Requirements) -> list[Pod]:
    """Pods of `others` to end so that `missing` becomes available. Raises NoRoom."""
    by_class: dict[str, list[Pod]] = {BEST_EFFORT: [], BURSTABLE: [], GUARANTEED: []}
    for other in others:
        if _may_preempt(pod, other):
            by_class[qos_class(other)].append(other)
    best_effort, burstable, guaranteed = by_class[BEST_EFFORT], by_class[BURSTABLE], by_class[GUARANTEED]
    short = _less(missing, [*best_effort, *burstable, *guaranteed])
    if short:
        raise NoRoom(_no_room(short))
    from_guaranteed = _closest(guaranteed, _less(missing, [*best_effort, *burstable]))
    from_burstable = _closest(burstable, _less(missing, [*best_effort, *from_guaranteed]))
    from_best_effort = _closest(best_effort, _less(missing, [*from_burstable, *from_guaranteed]))
    return [*from_best_effort, *from_burstable, *from_guaranteed]


def _may_preempt(pod: Pod, other: Pod) -> bool:
    if is_critical(pod) and not is_critical(other):
        return True
    own, its = pod.spec.priority, other.spec.priority
    return own is not None and its is not None and own > its


def _request(pod: Pod, resource: str) -> int:
    return 1 if resource == "pods" else pod_requests(pod).get(resource, 0)


def _less(missing: Requirements, pods: Sequence[Pod]) -> dict[str, int]:
    """What is still missing when these pods are gone."""
    left = {name: amount - sum(_request(pod, name) for pod in pods) for name, amount in missing.items()}
    return {name: amount for name, amount in left.items() if amount > 0}


def _closest(pods: Sequence[Pod], missing: Requirements) -> list[Pod]:
    """Pod by pod the one that leaves least missing, of equal ones the smallest, until nothing is."""
    chosen: list[Pod] = []
    candidates = [*pods]
    while missing:
        if not candidates:
            raise NoRoom(_no_room(missing))
        best = min(candidates, key=lambda pod: (_distance(missing, pod), _request(pod, "memory"), _request(pod, "cpu")))
        missing = _less(missing, [best])
        chosen.append(best)
        candidates.remove(best)
    return chosen


def _distance(missing: Requirements, pod: Pod) -> float:
    return sum((max(amount - _request(pod, name), 0) / amount) ** 2 for name, amount in missing.items())


def _no_room(missing: Requirements) -> str:
    listed = "".join(f"(res: {name}, q: {amount}), " for name, amount in missing.items())
    problem = f"no set of running pods found to reclaim resources: [{listed}]"
    error = f"preemption: error finding a set of pods to preempt: {problem}"
    return f"Unexpected error while attempting to recover from admission failure: {error}"
