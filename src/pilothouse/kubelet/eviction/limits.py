"""Whether a Pod exceeds its limits of local ephemeral storage. Pure, with upstream's messages.

Looked at in upstream's order: each emptyDir against its sizeLimit, the pod against the sum of its containers' limits, each container
against its own. A container's disk is its writable layer and its logs; a pod's is that of its containers and its emptyDirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.api.types.core_v1 import Pod, Volume
from pilothouse.kubelet.launch.resources import value_of
from pilothouse.kubelet.pods.amounts import pod_limits
from pilothouse.kubelet.pods.spec import sidecars
from pilothouse.machinery import quantity

STORAGE = "ephemeral-storage"


@dataclass(slots=True)
class Disk:
    """Bytes used, by name of container and of emptyDir volume."""

    containers: dict[str, int] = field(default_factory=dict)
    volumes: dict[str, int] = field(default_factory=dict)


def volumes_on_disk(pod: Pod) -> list[Volume]:
    """The Pod's emptyDir volumes on the node's disk."""
    return [volume for volume in pod.spec.volumes if volume.emptyDir is not None and not volume.emptyDir.medium]


def measured_volumes(pod: Pod) -> list[Volume]:
    """The volumes whose size decides whether the Pod exceeds a limit."""
    return [volume for volume in volumes_on_disk(pod) if is_limited(pod) or _size_limit(volume) > 0]


def is_limited(pod: Pod) -> bool:
    """Whether any container has a limit of local ephemeral storage."""
    return any(value_of(container.resources.limits, STORAGE) for container in (*pod.spec.containers, *pod.spec.initContainers))


def exceeded(pod: Pod, disk: Disk) -> str:
    """Upstream's message about the limit that is exceeded; "" when none is."""
    for volume in pod.spec.volumes:
        limit = _size_limit(volume)
        if 0 < limit < disk.volumes.get(volume.name, 0):
            shown = volume.emptyDir.sizeLimit if volume.emptyDir is not None else ""
            return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{shown}". '
    limits = {container.name: container.resources.limits for container in (*pod.spec.containers, *sidecars(pod))}
    total = pod_limits(pod).get(STORAGE, 0)
    if 0 < total < _sum(disk.containers) + _sum(disk.volumes):
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {quantity.canonical(_shown(total))}. "
    for name, own in limits.items():
        if 0 < value_of(own, STORAGE) < disk.containers.get(name, 0):
            return f'Container {name} exceeded its local ephemeral storage limit "{own[STORAGE]}". '
    return ""


def _size_limit(volume: Volume) -> int:
    source = volume.emptyDir
    return quantity.value(source.sizeLimit) if source is not None and source.sizeLimit else 0


def _sum(values: Mapping[str, int]) -> int:
    return sum(values.values())


def _shown(amount: int) -> str:
    """In the largest binary unit that is exact, as upstream's sums keep the first limit's form."""
    for suffix, size in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if amount % size == 0:
            return f"{amount // size}{suffix}"
    return str(amount)
