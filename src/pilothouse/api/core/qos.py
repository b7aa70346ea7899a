"""The quality-of-service class of a Pod, from its requests and limits for cpu and memory."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.types.core_v1 import Pod, ResourceRequirements
from pilothouse.kit.remember import remember
from pilothouse.machinery import quantity
from pilothouse.machinery.struct import Quantity

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
COUNTED = ("cpu", "memory")
REMEMBERED = 1024
"""Combinations of amounts whose class is kept: Pods of one template have the same."""


def qos_class(pod: Pod) -> str:
    """Computed from the spec; `status.qosClass` is what was computed when the Pod was made."""
    if pod.spec.resources and (_counted(pod.spec.resources.requests) or _counted(pod.spec.resources.limits)):
        return _class_of([pod.spec.resources])
    return _class_of([container.resources for container in (*pod.spec.containers, *pod.spec.initContainers)])


def _class_of(every: list[ResourceRequirements]) -> str:
    return _class_of_amounts(";".join([_amounts(resources.requests, resources.limits) for resources in every]))


def _amounts(requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]) -> str:
    """What counts of them, as a text: quantities have neither commas nor semicolons."""
    return f"{requests.get('cpu', '')},{requests.get('memory', '')},{limits.get('cpu', '')},{limits.get('memory', '')}"


@remember(REMEMBERED)
def _class_of_amounts(every: str) -> str:
    requests: dict[str, int] = {}
    limits: dict[str, int] = {}
    guaranteed = True
    for amounts_text in every.split(";") if every else ():
        amounts = [quantity.parse(value).nanos if value else 0 for value in amounts_text.split(",")]
        for name, value in zip(COUNTED, amounts[:2], strict=True):
            if value > 0:
                requests[name] = requests.get(name, 0) + value
        for name, value in zip(COUNTED, amounts[2:], strict=True):
            if value > 0:
                limits[name] = limits.get(name, 0) + value
            else:
                guaranteed = False
    if not requests and not limits:
        return BEST_EFFORT
    # Requests left out count as equal to the limits: defaulting has made them so in a Pod.
    equal = all(limits.get(name) == value for name, value in requests.items())
    return GUARANTEED if guaranteed and equal and len(requests) == len(limits) else BURSTABLE


def _counted(resources: Mapping[str, Quantity]) -> bool:
    """Whether they say how much of what counts."""
    return any(name in resources and quantity.parse(resources[name]).nanos > 0 for name in COUNTED)
