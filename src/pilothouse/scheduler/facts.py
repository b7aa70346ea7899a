"""What the scheduler computes from a Pod's spec once, when it first sees the Pod.

- Requests follow upstream's rule: containers are summed, init containers need their maximum, sidecars stay and are added,
  pod-level resources override, overhead comes on top. CPU is in thousandths, everything else whole units.
- A Pod that is being resized in place counts with the larger of what its status says it holds and what its spec asks.
- `signature` is equal for Pods that every plugin must treat alike; names, UIDs and token volumes are not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pilothouse.api.types.core_v1 import Container, Pod
from pilothouse.kit.remember import remember
from pilothouse.machinery import quantity
from pilothouse.machinery.struct import Quantity

CPU = "cpu"
MEMORY = "memory"
PODS = "pods"
DEFAULT_MILLI_CPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024
"""What scoring (not filtering) assumes of a container that requests nothing, so that such Pods spread as well."""
MOST = 1 << 52
"""More than any node has of anything: what is beyond counts as this much, so that thousands of such Pods overflow no column."""

HostPort = tuple[str, str, int]
"""(host IP, protocol, port)"""
Requests = dict[str, int]


@remember(4096)
def amount(name: str, value: Quantity) -> int:
    """A quantity as the scheduler counts it: CPU in thousandths, everything else in whole units, rounded up, `MOST` at most."""
    return min(quantity.milli(value) if name == CPU else quantity.value(value), MOST)


def amounts(values: Mapping[str, Quantity]) -> Requests:
    """Quantities as whole numbers in the unit that the columns use for each resource."""
    return {name: amount(name, value) for name, value in values.items()}


@dataclass(slots=True)
class PodFacts:
    """A Pod and what follows from its spec. `scratch` holds what plugins compile for the Pod, by plugin name."""

    pod: Pod
    requests: Requests
    nonzero: tuple[int, int]
    host_ports: frozenset[HostPort]
    images: tuple[str, ...]
    priority: int
    signature: bytes
    claims: tuple[tuple[str, str], ...] = ()
    """Namespace and name of each PersistentVolumeClaim that the Pod names; those of its ephemeral volumes are its own."""
    scratch: dict[str, Any] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        """The Pod's uid."""
        return self.pod.metadata.uid

    @property
    def key(self) -> str:
        """The Pod as `namespace/name`, for logs and messages."""
        return f"{self.pod.metadata.namespace}/{self.pod.metadata.name}"


def facts_of(pod: Pod) -> PodFacts:
    """Compute the facts of a Pod; costs some ten microseconds."""
    spec = pod.spec
    requests = pod_requests(pod)
    filled = pod_requests(pod, {CPU: DEFAULT_MILLI_CPU, MEMORY: DEFAULT_MEMORY})
    images = tuple(container.image for container in (*spec.initContainers, *spec.containers))
    return PodFacts(
        pod=pod,
        requests=requests,
        nonzero=(filled.get(CPU, 0), filled.get(MEMORY, 0)),
        host_ports=frozenset(host_ports(pod)),
        images=images,
        priority=spec.priority or 0,
        signature=signature_of(pod, requests, filled, images),
        claims=claims_of(pod),
    )


def claims_of(pod: Pod) -> tuple[tuple[str, str], ...]:
    """(namespace, name) of each PersistentVolumeClaim that `volumes` name; each once."""
    names = [volume.persistentVolumeClaim.claimName for volume in pod.spec.volumes if volume.persistentVolumeClaim is not None]
    return tuple((pod.metadata.namespace, name) for name in dict.fromkeys(names))


def signature_of(pod: Pod, requests: Requests, filled: Requests, images: tuple[str, ...]) -> bytes:
    """A key that is equal for Pods that may share a scheduling result."""
    spec = pod.spec
    claims = [volume.persistentVolumeClaim for volume in spec.volumes if volume.persistentVolumeClaim is not None]
    own_claims = pod.metadata.name if any(volume.ephemeral is not None for volume in spec.volumes) else ""
    parts = (
        pod.metadata.namespace,
        pod.metadata.labels,
        [(owner.kind, owner.name) for owner in pod.metadata.ownerReferences if owner.controller],
        requests,
        filled,
        images,
        spec.nodeName,
        spec.nodeSelector,
        spec.affinity,
        spec.tolerations,
        spec.topologySpreadConstraints,
        spec.priority,
        spec.preemptionPolicy,
        sorted(host_ports(pod)),
        claims,
        own_claims,
        pod.status.nominatedNodeName,
        bool(spec.resourceClaims),
    )
    return msgspec.json.encode(parts, order="deterministic")


def host_ports(pod: Pod) -> Iterable[HostPort]:
    """The ports that a Pod takes of its node; sidecars count, other init containers do not."""
    for container in (*sidecars(pod), *pod.spec.containers):
        for port in container.ports:
            if port.hostPort:
                yield (port.hostIP or "0.0.0.0", port.protocol or "TCP", port.hostPort)


def sidecars(pod: Pod) -> list[Container]:
    """Init containers with restartPolicy Always."""
    return [init_container for init_container in pod.spec.initContainers if init_container.restartPolicy == "Always"]


def pod_requests(pod: Pod, missing: Mapping[str, int] | None = None) -> Requests:
    """Resources that a node must have free for the Pod; `missing` is assumed of containers without a request."""
    spec = pod.spec
    missing = missing or {}
    held, infeasible = status_requests(pod), is_infeasible(pod)
    total: Requests = {}
    for container in spec.containers:
        add(total, container_requests(container, missing, held, infeasible))
    staying: Requests = {}
    peak: Requests = {}
    for container in spec.initContainers:
        wanted = container_requests(container, missing, held, infeasible)
        if container.restartPolicy == "Always":
            add(total, wanted)
            add(staying, wanted)
            raise_to(peak, staying)
        else:
            add(wanted, staying)
            raise_to(peak, wanted)
    raise_to(total, peak)
    if spec.resources is not None:
        total.update(amounts(spec.resources.requests))
    add(total, amounts(spec.overhead))
    return total


def container_requests(container: Container, missing: Mapping[str, int], held: Mapping[str, Requests], infeasible: bool) -> Requests:
    """Requests of one container. During a resize the larger of the granted and the desired amount counts, unless it is infeasible."""
    has = held.get(container.name, {})
    wanted = {} if infeasible and has else amounts(container.resources.requests)
    raise_to(wanted, has)
    return {**missing, **wanted}


def status_requests(pod: Pod) -> dict[str, Requests]:
    """By container name, the larger of what the kubelet has allocated and what the status shows as running."""
    status = pod.status
    held: dict[str, Requests] = {}
    for container_status in (*status.initContainerStatuses, *status.containerStatuses):
        if container_status.resources is not None:
            has = amounts(container_status.resources.requests)
            raise_to(has, amounts(container_status.allocatedResources))
            held[container_status.name] = has
    return held


def is_infeasible(pod: Pod) -> bool:
    """Whether the kubelet said that the Pod's resize can never fit its node."""
    return any(
        condition.type == "PodResizePending" and condition.status == "True" and condition.reason == "Infeasible"
        for condition in pod.status.conditions
    )


def add(total: Requests, more: Mapping[str, int]) -> None:
    """Add the amounts of `more` to `total`, in place."""
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def raise_to(total: Requests, least: Mapping[str, int]) -> None:
    """Raise each amount of `total` to at least that of `least`, in place."""
    for name, value in least.items():
        total[name] = max(total.get(name, 0), value)
