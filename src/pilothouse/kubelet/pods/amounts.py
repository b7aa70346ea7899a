"""Requests and limits of a whole Pod: cpu in millicores, everything else in whole units. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.types.core_v1 import Pod, ResourceRequirements
from pilothouse.kubelet.pods.spec import is_sidecar
from pilothouse.machinery import quantity


def pod_requests(pod: Pod) -> dict[str, int]:
    """Requests of the Pod with its overhead."""
    return _added(_told(pod, "requests"), _amounts(pod.spec.overhead))


def pod_limits(pod: Pod) -> dict[str, int]:
    """Limits of the Pod; overhead is added to resources that have a limit."""
    overhead = _amounts(pod.spec.overhead)
    return {name: value + (overhead.get(name, 0) if value else 0) for name, value in _told(pod, "limits").items()}


def own_limits(pod: Pod) -> Mapping[str, str | int | float]:
    """Limits of the Pod-level resources, as written."""
    return pod.spec.resources.limits if pod.spec.resources is not None else {}


def containers_sum(pod: Pod, side: str) -> dict[str, int]:
    """The sum over containers and sidecars, or the largest init container with the sidecars before it, whichever is more."""
    total: dict[str, int] = {}
    beside: dict[str, int] = {}
    peak: dict[str, int] = {}
    for init in pod.spec.initContainers:
        amounts = _side(init.resources, side)
        if is_sidecar(init):
            beside = _added(beside, amounts)
            peak = _greater(peak, beside)
        else:
            peak = _greater(peak, _added(beside, amounts))
    for container in pod.spec.containers:
        total = _added(total, _side(container.resources, side))
    return _greater(_added(total, beside), peak)


def _told(pod: Pod, side: str) -> dict[str, int]:
    """What stands in the pod's own resources wins over what its containers come to."""
    own = pod.spec.resources
    return {**containers_sum(pod, side), **(_side(own, side) if own is not None else {})}


def _side(own: ResourceRequirements, side: str) -> dict[str, int]:
    return _amounts(own.limits if side == "limits" else own.requests)


def _amounts(values: Mapping[str, str | int | float]) -> dict[str, int]:
    return {name: quantity.milli(value) if name == "cpu" else quantity.value(value) for name, value in values.items()}


def _added(first: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + other.get(name, 0) for name in (*first, *other)}


def _greater(first: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: max(first.get(name, 0), other.get(name, 0)) for name in (*first, *other)}
