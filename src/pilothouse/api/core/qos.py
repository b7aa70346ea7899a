"""The quality-of-service class of a Pod, from its requests and limits for cpu and memory."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.types.core_v1 import Pod, ResourceRequirements
from pilothouse.machinery import quantity
from pilothouse.machinery.struct import Quantity

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
COUNTED = ("cpu", "memory")


def qos_class(pod: Pod) -> str:
    """Computed from the spec; `status.qosClass` is what was computed when the Pod was made."""
    if pod.spec.resources and (_counted(pod.spec.resources.requests) or _counted(pod.spec.resources.limits)):
        return _class_of([pod.spec.resources])
    return _class_of([one.resources for one in (*pod.spec.containers, *pod.spec.initContainers)])


def _class_of(every: list[ResourceRequirements]) -> str:
    requests: dict[str, int] = {}
    limits: dict[str, int] = {}
    guaranteed = True
    for one in every:
        for name, value in _counted(one.requests).items():
            requests[name] = requests.get(name, 0) + value
        limited = _counted(one.limits)
        for name, value in limited.items():
            limits[name] = limits.get(name, 0) + value
        guaranteed = guaranteed and len(limited) == len(COUNTED)
    if not requests and not limits:
        return BEST_EFFORT
    # Requests left out count as equal to the limits: defaulting has made them so in a Pod.
    equal = all(limits.get(name) == value for name, value in requests.items())
    return GUARANTEED if guaranteed and equal and len(requests) == len(limits) else BURSTABLE


def _counted(resources: Mapping[str, Quantity]) -> dict[str, int]:
    if not resources:
        return {}
    found = {name: quantity.parse(value).nanos for name, value in resources.items() if name in COUNTED}
    return {name: value for name, value in found.items() if value > 0}
