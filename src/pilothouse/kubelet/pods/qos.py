"""QoS class of a Pod, and its OOM score. Pure."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.pods.amounts import containers_sum
from pilothouse.kubelet.pods.spec import is_sidecar
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.machinery import quantity

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
COUNTED = ("cpu", "memory")

GUARANTEED_OOM_SCORE = -997
BEST_EFFORT_OOM_SCORE = 1000
CRITICAL_PRIORITY = 2_000_000_000
NODE_CRITICAL = "system-node-critical"


def qos_class(pod: Pod) -> str:
    """Guaranteed when every container has equal requests and limits of cpu and memory; BestEffort without any; else Burstable."""
    containers = [*pod.spec.initContainers, *pod.spec.containers]
    own = [pod.spec.resources] if pod.spec.resources is not None else [container.resources for container in containers]
    says = [
        (name, quantities[name])
        for resources in own
        for quantities in (resources.requests, resources.limits)
        for name in COUNTED
        if name in quantities and quantity.milli(quantities[name]) > 0
    ]
    if not says:
        return BEST_EFFORT
    for resources in own:
        for name in COUNTED:
            limit = resources.limits.get(name)
            if limit is None or quantity.milli(limit) <= 0:
                return BURSTABLE
            if quantity.milli(resources.requests.get(name, limit)) != quantity.milli(limit):
                return BURSTABLE
    return GUARANTEED


def oom_score(pod: Pod, container: AnyContainer, memory_capacity: int) -> int:
    """oom_score_adj of a container: the less it requests of the memory, the higher."""
    if pod.spec.priorityClassName == NODE_CRITICAL:
        return GUARANTEED_OOM_SCORE
    kind = pod.status.qosClass or qos_class(pod)
    if kind == GUARANTEED:
        return GUARANTEED_OOM_SCORE
    if kind == BEST_EFFORT or memory_capacity <= 0:
        return BEST_EFFORT_OOM_SCORE
    requested = _memory(container)
    if is_sidecar(container):
        requested = max(requested, min(_memory(container) for container in pod.spec.containers))
    score = 1000 - (1000 * (requested + _share_of_the_rest(pod))) // memory_capacity
    return min(max(score, 1000 + GUARANTEED_OOM_SCORE), BEST_EFFORT_OOM_SCORE - 1)


def _memory(container: AnyContainer) -> int:
    return quantity.value(container.resources.requests.get("memory", 0))


def _share_of_the_rest(pod: Pod) -> int:
    """What the pod requests beyond its containers counts for all of them alike."""
    whole = quantity.value(pod.spec.resources.requests.get("memory", 0)) if pod.spec.resources is not None else 0
    if not whole:
        return 0
    return (whole - containers_sum(pod, "requests").get("memory", 0)) // len([*pod.spec.initContainers, *pod.spec.containers])
