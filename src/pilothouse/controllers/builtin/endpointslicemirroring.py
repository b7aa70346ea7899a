"""Mirrors Endpoints of Services without a selector to EndpointSlices."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import EndpointAddress, Endpoints, EndpointSubset, Service
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from pilothouse.client.store import Key
from pilothouse.controllers.endpoints.slices import MANAGED_BY, Wanted, changes
from pilothouse.controllers.framework.actions import Action, Delete
from pilothouse.controllers.framework.controller import CREATE, DELETE, READ, UPDATE, Controller, Owned, Related, Rule
from pilothouse.controllers.framework.owners import controller_reference
from pilothouse.controllers.framework.world import World
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.patch.apply import LAST_APPLIED

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
SUBSET_LIMIT = 1000
"""Addresses of a subset that are mirrored."""


def _same_name(service: Service, world: World) -> Iterator[Key]:
    yield service.metadata.namespace, service.metadata.name


class EndpointSliceMirroringController(Controller):
    """Copies hand-written Endpoints to EndpointSlices, which are all that proxies read."""

    name = "endpointslicemirroring"
    account = "endpointslicemirroring-controller"
    reconciles = Endpoints
    watches = (Owned(EndpointSlice), Related(Service, _same_name))
    rules = (
        Rule("", ("services", "endpoints"), READ),
        Rule("", ("endpoints/finalizers",), UPDATE),
        Rule("discovery.k8s.io", ("endpointslices",), READ + CREATE + UPDATE + DELETE),
    )

    def plan(self, endpoints: Endpoints, world: World) -> Iterator[Action]:
        """Make the mirrored slices equal to the Endpoints object, or delete them when it is not mirrored."""
        existing = [
            endpointslice
            for endpointslice in world.owned(endpoints, EndpointSlice)
            if endpointslice.metadata.labels.get(MANAGED_BY) == MANAGER
        ]
        if not _is_mirrored(endpoints, world) or not endpoints.subsets:
            yield from (Delete(slice_) for slice_ in existing)
            return
        wanted = [group for subset in endpoints.subsets for group in _groups(subset)]
        trigger = endpoints.metadata.annotations.get(wellknown.LAST_CHANGE_TRIGGER_TIME, "")
        limit = world.settings.endpoint_slice_limit
        yield from changes(existing, wanted, lambda family: _empty(endpoints, family), limit=limit, trigger=trigger)


def _is_mirrored(endpoints: Endpoints, world: World) -> bool:
    meta = endpoints.metadata
    service = world.get(Service, meta.namespace, meta.name)
    if service is None or service.spec.selector or meta.deletionTimestamp:
        return False
    return meta.labels.get(SKIP) != "true" and LEADER not in meta.annotations


def _groups(subset: EndpointSubset) -> Iterator[Wanted]:
    """The endpoints of a subset by address family."""
    ports = [
        EndpointPort(name=port.name, port=port.port, protocol=port.protocol or "TCP", appProtocol=port.appProtocol) for port in subset.ports
    ]
    every = [*((address, True) for address in subset.addresses), *((address, False) for address in subset.notReadyAddresses)][:SUBSET_LIMIT]
    for family, colon in (("IPv4", False), ("IPv6", True)):
        endpoints = [_endpoint(address, ready) for address, ready in every if (":" in address.ip) == colon]
        if endpoints:
            yield Wanted(family, ports, endpoints)


def _endpoint(address: EndpointAddress, ready: bool) -> Endpoint:
    return Endpoint(
        addresses=[address.ip],
        conditions=EndpointConditions(ready=ready),
        hostname=address.hostname or None,
        nodeName=address.nodeName,
        targetRef=address.targetRef,
    )


def _empty(endpoints: Endpoints, family: str) -> EndpointSlice:
    source = endpoints.metadata
    meta = ObjectMeta(
        generateName=f"{source.name}-",
        namespace=source.namespace,
        labels=dict(source.labels) | {wellknown.SERVICE_NAME: source.name, MANAGED_BY: MANAGER},
        annotations={
            name: value for name, value in source.annotations.items() if name not in (wellknown.LAST_CHANGE_TRIGGER_TIME, LAST_APPLIED)
        },
        ownerReferences=[controller_reference(endpoints)],
    )
    return EndpointSlice(metadata=meta, addressType=family)
