"""Order in which Pods are evicted, and the eviction message. Pure.

- Memory and disk: who uses more than was requested goes before who does not; then the lower priority; then who is further above.
- Processes: the lower priority, then who has more of them.
- Static and critical pods never go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.eviction.signals import INODES, MEMORY, PIDS, STORAGE, Signals, Threshold
from pilothouse.kubelet.launch.resources import value_of
from pilothouse.kubelet.node.preemption import is_critical
from pilothouse.kubelet.pods.amounts import pod_requests
from pilothouse.machinery import quantity

TOLD_BY_CONTAINER = {MEMORY, STORAGE}
"""Resources whose use by each container stands in the message."""


@dataclass(slots=True)
class Usage:
    """A Pod's usage of one resource by container, in the resource's unit; `volumes` is usage that belongs to no single container."""

    containers: dict[str, int] = field(default_factory=dict)
    volumes: int = 0

    @property
    def total(self) -> int:
        """Usage of all containers and volumes of the pod."""
        return sum(self.containers.values()) + self.volumes


def ranked(pods: Iterable[Pod], usage: Mapping[str, Usage], resource: str) -> list[Pod]:
    """Pods in the order of their eviction. `usage` is by uid; a Pod without a measurement comes first."""

    def place(pod: Pod) -> tuple[bool, int, int, str]:
        used = usage.get(pod.metadata.uid, Usage()).total
        above = used - pod_requests(pod).get(resource, 0)
        by_request = resource not in {PIDS} and above <= 0
        return (by_request, pod.spec.priority or 0, -above, pod.metadata.uid)

    return sorted((pod for pod in pods if not is_critical(pod)), key=place)


def message(pod: Pod, usage: Usage, resource: str, acting: Iterable[Threshold], signals: Signals) -> str:
    """Eviction message of a Pod."""
    text = f"The node was low on resource: {resource}. "
    for threshold in acting:
        signal = signals.get(threshold.signal)
        if threshold.resource == resource and signal is not None:
            wanted = threshold.value if not threshold.value.endswith("%") else _shown(threshold.amount(signal.capacity), resource)
            text += f"Threshold quantity: {wanted}, available: {_shown(signal.available, resource)}. "
            break
    for container in (*pod.spec.containers, *pod.spec.initContainers) if resource in TOLD_BY_CONTAINER else ():
        used = usage.containers.get(container.name, 0)
        requested = value_of(container.resources.requests, resource)
        if used > requested:
            text += (
                f"Container {container.name} was using {_shown(used, resource)}, request is {_shown(requested, resource)}, "
                f"has larger consumption of {resource}. "
            )
    return text


def _shown(amount: int, resource: str) -> str:
    if resource in {INODES, PIDS}:
        return quantity.canonical(str(amount))
    return quantity.canonical(f"{amount // 1024}Ki") if amount >= 1024 else str(amount)
