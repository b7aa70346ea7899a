"""Pods of a Service: which count, with which addresses and ports, and which Services a changed Pod or Node affects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Node, ObjectReference, Pod, Service, ServicePort
from pilothouse.client.store import Key
from pilothouse.controllers import pods
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import labels


def has_backends(service: Service) -> bool:
    """Its endpoints are made from Pods: it has a selector and is no ExternalName."""
    return bool(service.spec.selector) and service.spec.type != "ExternalName"


def is_headless(service: Service) -> bool:
    """Whether the Service asked for no cluster IP."""
    return service.spec.clusterIP == "None"


def members(service: Service, world: World) -> list[Pod]:
    """The Pods that the selector matches."""
    return world.list(Pod, service.metadata.namespace, labels.match_labels(service.spec.selector))


def belongs(pod: Pod, *, terminating: bool) -> bool:
    """It has an address and is not finished. `terminating`: also while it goes away."""
    if pods.is_finished(pod) or not (pod.status.podIP or pod.status.podIPs):
        return False
    return terminating or not pod.metadata.deletionTimestamp


def services_of(pod: Pod, world: World) -> Iterator[Key]:
    """Keys of the Services whose selector matches the Pod."""
    for service in world.list(Service, pod.metadata.namespace):
        if has_backends(service) and labels.match_labels(service.spec.selector).matches(pod.metadata.labels):
            yield service.metadata.namespace, service.metadata.name


def pod_matters(old: Pod, new: Pod) -> bool:
    """An update of a Pod that changes endpoints."""
    return _facts(old) != _facts(new)


def _facts(pod: Pod) -> tuple[Any, ...]:
    ready = pods.condition(pod, "Ready")
    return (
        pod.metadata.labels,
        bool(pod.metadata.deletionTimestamp),
        pod.spec.nodeName,
        pods.is_finished(pod),
        pod.status.podIP,
        pod.status.podIPs,
        ready and ready.status,
    )


def services_on(node: Node, world: World) -> Iterator[Key]:
    """Keys of the Services that select a Pod of this node."""
    for pod in world.indexed(Pod, pods.by_node, node.metadata.name):
        yield from services_of(pod, world)


def zone_matters(old: Node, new: Node) -> bool:
    """Whether the node's zone label changed, which changes the zones of its endpoints."""
    return old.metadata.labels.get(wellknown.TOPOLOGY_ZONE) != new.metadata.labels.get(wellknown.TOPOLOGY_ZONE)


def addresses(pod: Pod, address_type: str) -> list[str]:
    """The Pod's addresses of one family (`IPv4`, `IPv6`)."""
    pod_ips = [pod_ip.ip for pod_ip in pod.status.podIPs] or [pod.status.podIP]
    return [ip for ip in pod_ips if ip and (":" in ip) == (address_type == "IPv6")]


def families(service: Service) -> list[str]:
    """The address types that it has endpoints of."""
    ip_families = [*service.spec.ipFamilies]
    return ip_families or (["IPv6"] if ":" in service.spec.clusterIP else ["IPv4"])


def port_number(pod: Pod, port: ServicePort) -> int | None:
    """The number of a Service's target port on this Pod; None when the Pod has no port of that name."""
    target = port.targetPort
    if isinstance(target, int) or not target:
        return target or port.port
    sidecars = [init_container for init_container in pod.spec.initContainers if init_container.restartPolicy == "Always"]
    for container in (*pod.spec.containers, *sidecars):
        for container_port in container.ports:
            if container_port.name == target and (container_port.protocol or "TCP") == (port.protocol or "TCP"):
                return container_port.containerPort
    return None


def hostname(pod: Pod, service: Service) -> str:
    """The name of its own that it has below the Service's in DNS."""
    return pod.spec.hostname if pod.spec.subdomain == service.metadata.name else ""


def reference(pod: Pod) -> ObjectReference:
    """The `targetRef` of an endpoint."""
    meta = pod.metadata
    return ObjectReference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid)


def trigger_time(service: Service, members: list[Pod], world: World) -> str:
    """When the oldest change happened that no earlier plan has seen: for measuring how long programming the network takes."""
    known: dict[str, str] = world.memory.get("trigger times", {})
    now: dict[str, str] = {}  # as text: the server writes all times in one form, whose order is that of the times
    if service.metadata.creationTimestamp:
        now[""] = service.metadata.creationTimestamp
    for pod in members:
        ready = pods.condition(pod, "Ready")
        if ready is not None and ready.lastTransitionTime:
            now[pod.metadata.name] = ready.lastTransitionTime
    world.memory["trigger times"] = now
    changed = [moment for name, moment in now.items() if name not in known or moment > known[name]]
    return min(changed, default="")
