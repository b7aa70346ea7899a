"""EndpointSlices of Services that select Pods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Node, Pod, Service
from pilothouse.api.types.discovery_v1 import (
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    EndpointSlice,
    ForNode,
    ForZone,
)
from pilothouse.controllers import pods
from pilothouse.controllers.endpoints import backends
from pilothouse.controllers.endpoints.slices import MANAGED_BY, Wanted, changes, ports_key
from pilothouse.controllers.framework.actions import Action
from pilothouse.controllers.framework.controller import CREATE, DELETE, READ, UPDATE, Controller, Owned, Related, Rule
from pilothouse.controllers.framework.owners import controller_reference
from pilothouse.controllers.framework.world import World
from pilothouse.machinery.meta_v1 import ObjectMeta

MANAGER = "endpointslice-controller.k8s.io"
RESERVED = {MANAGED_BY, wellknown.SERVICE_NAME, wellknown.HEADLESS}


class EndpointSliceController(Controller):
    """Writes the EndpointSlices of Services with a selector.

    - ready: takes new connections; serving: would, if it were not going away; terminating: goes away.
    - At most 100 endpoints a slice; a change touches as few slices as can be.
    - Services without a selector are the affair of their owners (see endpointslicemirroring.py).
    """

    name = "endpointslice"
    account = "endpointslice-controller"
    reconciles = Service
    watches = (
        Owned(EndpointSlice),
        Related(Pod, backends.services_of, backends.pod_matters),
        Related(Node, backends.services_on, backends.zone_matters),
    )
    rules = (
        Rule("", ("services", "pods", "nodes"), READ),
        Rule("", ("services/finalizers",), UPDATE),
        Rule("discovery.k8s.io", ("endpointslices",), READ + CREATE + UPDATE + DELETE),
    )

    def plan(self, service: Service, world: World) -> Iterator[Action]:
        """Create, update and delete slices until they show the Service's Pods; few slices change."""
        if not backends.has_backends(service) or service.metadata.deletionTimestamp:
            return
        members = [pod for pod in backends.members(service, world) if backends.belongs(pod, terminating=True)]
        wanted = [group for family in backends.families(service) for group in _groups(service, members, family, world)]
        _set_hints(service, wanted)
        existing = [
            endpointslice
            for endpointslice in world.owned(service, EndpointSlice)
            if endpointslice.metadata.labels.get(MANAGED_BY) == MANAGER
        ]
        trigger = backends.trigger_time(service, members, world)
        limit = world.settings.endpoint_slice_limit
        yield from changes(existing, wanted, lambda family: _empty(service, family), limit=limit, trigger=trigger)


def _groups(service: Service, members: Sequence[Pod], family: str, world: World) -> list[Wanted]:
    """The endpoints of one address type by their ports (a named target port may differ from Pod to Pod)."""
    groups = {(): Wanted(family, [])}
    for pod in members:
        node = world.get(Node, "", pod.spec.nodeName)
        if pod.spec.nodeName and node is None and not service.spec.publishNotReadyAddresses:
            continue  # its node is gone: the Pod will be, too
        if not backends.addresses(pod, family):
            continue
        ports = _ports(service, pod)
        if not ports and service.spec.ports:
            continue
        group = groups.setdefault(ports_key(ports), Wanted(family, ports))  # type: ignore[arg-type]
        group.endpoints.append(_endpoint(service, pod, node, family))
    return [*groups.values()]


def _ports(service: Service, pod: Pod) -> list[EndpointPort]:
    ports = []
    for port in service.spec.ports:
        number = backends.port_number(pod, port)
        if number is not None:
            ports.append(EndpointPort(name=port.name, port=number, protocol=port.protocol or "TCP", appProtocol=port.appProtocol))
    return ports


def _endpoint(service: Service, pod: Pod, node: Node | None, family: str) -> Endpoint:
    serving, terminating = pods.is_ready(pod), bool(pod.metadata.deletionTimestamp)
    ready = bool(service.spec.publishNotReadyAddresses) or (serving and not terminating)
    return Endpoint(
        addresses=backends.addresses(pod, family)[:1],
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hostname=backends.hostname(pod, service) or None,
        nodeName=pod.spec.nodeName or None,
        targetRef=backends.reference(pod),
        zone=node.metadata.labels.get(wellknown.TOPOLOGY_ZONE) if node else None,
    )


def _set_hints(service: Service, wanted: Sequence[Wanted]) -> None:
    """trafficDistribution: each ready endpoint is for its own zone (and node); for nobody in particular when a zone is unknown."""
    distribution = service.spec.trafficDistribution
    if distribution not in ("PreferClose", "PreferSameZone", "PreferSameNode"):
        return
    ready = [endpoint for group in wanted for endpoint in group.endpoints if endpoint.conditions and endpoint.conditions.ready]
    zones = all(endpoint.zone for endpoint in ready)
    nodes = distribution == "PreferSameNode" and all(endpoint.nodeName for endpoint in ready)
    for endpoint in ready:
        hints = EndpointHints(
            forZones=[ForZone(name=endpoint.zone or "")] if zones else [], forNodes=[ForNode(name=endpoint.nodeName or "")] if nodes else []
        )
        endpoint.hints = hints if zones or nodes else None


def _empty(service: Service, family: str) -> EndpointSlice:
    """A slice of the Service with no endpoints yet."""
    labels = {name: value for name, value in service.metadata.labels.items() if name not in RESERVED}
    labels |= {wellknown.SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}
    if backends.is_headless(service):
        labels[wellknown.HEADLESS] = ""
    meta = ObjectMeta(
        generateName=f"{service.metadata.name}-",
        namespace=service.metadata.namespace,
        labels=labels,
        ownerReferences=[controller_reference(service)],
    )
    return EndpointSlice(metadata=meta, addressType=family)
