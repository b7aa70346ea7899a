"""Which pod goes first when something runs short. Pure.

Who uses more than was requested goes before who does not; then the lower priority; then who is further above the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.launch.resources import whole
from pilothouse.kubelet.pods.amounts import pod_requests
from pilothouse.kubelet.pods.qos import CRITICAL_PRIORITY
from pilothouse.kubelet.pods.spec import is_static
from pilothouse.machinery import quantity


@dataclass(slots=True)
class Usage:
    """What a pod uses of one resource, by container, in bytes; `volumes` is what nobody uses alone."""

    containers: dict[str, int] = field(default_factory=dict)
    volumes: int = 0

    @property
    def total(self) -> int:
        return sum(self.containers.values()) + self.volumes


def ranked(pods: list[Pod], usage: Mapping[str, Usage], resource: str) -> list[Pod]:
    """First the one to go. Static and critical pods never go."""
    candidates = [one for one in pods if not is_static(one) and (one.spec.priority or 0) < CRITICAL_PRIORITY]

    def place(pod: Pod) -> tuple[bool, int, int, str]:
        used = usage.get(pod.metadata.uid, Usage()).total
        above = used - pod_requests(pod).get(resource, 0)
        return (above <= 0, pod.spec.priority or 0, -above, pod.metadata.uid)

    return sorted(candidates, key=place)


def message(pod: Pod, usage: Usage, resource: str, available: int, wanted: int) -> str:
    """Why the pod was evicted, in upstream's words."""
    text = f"The node was low on resource: {resource}. "
    text += f"Threshold quantity: {_shown(wanted)}, available: {_shown(available)}. "
    for container in pod.spec.containers:
        used = usage.containers.get(container.name, 0)
        requested = whole(container.resources.requests, resource)
        if used > requested:
            text += (
                f"Container {container.name} was using {_shown(used)}, request is {_shown(requested)}, "
                f"has larger consumption of {resource}. "
            )
    return text


def _shown(amount: int) -> str:
    return quantity.canonical(f"{amount // 1024}Ki") if amount else "0"
