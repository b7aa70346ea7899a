"""In-place resize: desired and allocated resources of running Pods. Pure.

The spec says what is wanted; what was granted last stays in force until the node has room for that. Everything in the kubelet works
with the pod as granted; the rest of the spec follows the API at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import orjson

from pilothouse.api.types.core_v1 import Container, Pod, ResourceRequirements
from pilothouse.kubelet.pods.qos import GUARANTEED, qos_class
from pilothouse.kubelet.pods.spec import sidecars
from pilothouse.machinery.codec import to_dict

INFEASIBLE, DEFERRED = "Infeasible", "Deferred"


@dataclass(slots=True, frozen=True)
class PendingResize:
    """Why a resize is not granted: Infeasible, or Deferred."""

    reason: str
    message: str


def with_resources_of(pod: Pod, granted: Pod) -> Pod:
    """The Pod, with the container resources of `granted`."""
    return with_resources(pod, _resources(granted))


def as_running(pod: Pod) -> Pod:
    """The Pod with the resources in its status, which an earlier kubelet has allocated."""
    statuses = (*pod.status.initContainerStatuses, *pod.status.containerStatuses)
    return with_resources(pod, {status.name: status.resources for status in statuses if status.resources is not None})


def resources_differ(pod: Pod, other: Pod) -> bool:
    """Whether the resources of any container differ."""
    return _resources(pod) != _resources(other)


def place_in_queue(pod: Pod) -> tuple[int, int]:
    """Sort key of deferred resizes: priority, then QoS class Guaranteed, then the given order."""
    return -(pod.spec.priority or 0), int(qos_class(pod) != GUARANTEED)


def resize_text(pod: Pod, word: str, error: str = "") -> str:
    """Message of an event about a resize, with the desired resources as JSON."""
    told: dict[str, object] = {}
    for field, containers in (("initContainers", sidecars(pod)), ("containers", pod.spec.containers)):
        if containers:
            told[field] = [{"name": container.name, "resources": to_dict(container.resources)} for container in containers]
    told["generation"] = pod.metadata.generation
    if error:
        told["error"] = error
    return f"Pod resize {word}: {orjson.dumps(told).decode()}"


def _resources(pod: Pod) -> dict[str, ResourceRequirements]:
    return {container.name: container.resources for container in (*pod.spec.initContainers, *pod.spec.containers)}


def with_resources(pod: Pod, known: Mapping[str, ResourceRequirements]) -> Pod:
    """The Pod, with these resources for the containers of these names."""

    def changed(containers: list[Container]) -> list[Container]:
        return [msgspec.structs.replace(container, resources=known.get(container.name, container.resources)) for container in containers]

    spec = pod.spec
    made = msgspec.structs.replace(spec, containers=changed(spec.containers), initContainers=changed(spec.initContainers))
    return msgspec.structs.replace(pod, spec=made)
