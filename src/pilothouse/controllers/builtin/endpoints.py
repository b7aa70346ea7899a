"""Endpoints: the older form of what EndpointSlices say, one object a Service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import EndpointAddress, EndpointPort, Endpoints, EndpointSubset, Pod, Service
from pilothouse.client.store import Key
from pilothouse.controllers import pods
from pilothouse.controllers.endpoints import backends
from pilothouse.controllers.framework.actions import Action, Create, Delete, Update
from pilothouse.controllers.framework.controller import CREATE, DELETE, READ, UPDATE, Controller, Related, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec
from pilothouse.machinery.meta_v1 import ObjectMeta

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
CAPACITY = 1000

PortKey = tuple[str, int, str, str]


def _same_name(endpoints: Endpoints, world: World) -> Iterator[Key]:
    """Of what somebody else made for no Service (to elect a leader, say) nobody takes notice."""
    key = endpoints.metadata.namespace, endpoints.metadata.name
    if endpoints.metadata.labels.get(MANAGED_BY) == MANAGER or world.get(Service, *key) is not None:
        yield key


class EndpointsController(Controller):
    """Keeps one Endpoints object for each Service that selects Pods; at most 1,000 addresses. With a Service its Endpoints go,
    whoever made them."""

    name = "endpoint"
    account = "endpoint-controller"
    reconciles = Service
    watches = (Related(Endpoints, _same_name), Related(Pod, backends.services_of, backends.pod_matters))
    rules = (
        Rule("", ("services", "pods"), READ),
        Rule("", ("endpoints",), READ + CREATE + UPDATE + DELETE),
        Rule("", ("endpoints/restricted",), CREATE),
    )

    def plan(self, service: Service, world: World) -> Iterator[Action]:
        """Create or update the Endpoints object of a Service with a selector, when it differs from the Pods."""
        if not backends.has_backends(service) or service.metadata.deletionTimestamp:
            return
        members = [
            pod
            for pod in backends.members(service, world)
            if backends.belongs(pod, terminating=bool(service.spec.publishNotReadyAddresses))
        ]
        wanted = _endpoints(service, members)
        current = world.get(Endpoints, service.metadata.namespace, service.metadata.name)
        trigger = backends.trigger_time(service, members, world)
        if current is None:
            yield Create(_triggered(wanted, trigger), if_absent=True)
        elif not _same(current, wanted):
            changed = codec.clone(current)
            changed.subsets = wanted.subsets
            changed.metadata.labels = wanted.metadata.labels
            changed.metadata.annotations.pop(OVER_CAPACITY, None)
            changed.metadata.annotations |= wanted.metadata.annotations
            yield Update(_triggered(changed, trigger))

    def plan_gone(self, key: Key, world: World) -> Iterator[Action]:
        """Delete the Endpoints object of a Service that is gone."""
        left = world.get(Endpoints, *key)
        if left is not None:
            yield Delete(left)


def _endpoints(service: Service, members: Sequence[Pod]) -> Endpoints:
    labels = dict(service.metadata.labels) | {MANAGED_BY: MANAGER}
    if backends.is_headless(service):
        labels[wellknown.HEADLESS] = ""
    meta = ObjectMeta(name=service.metadata.name, namespace=service.metadata.namespace, labels=labels)
    subsets = _subsets(service, members)
    if sum(len(subset.addresses) + len(subset.notReadyAddresses) for subset in subsets) > CAPACITY:
        subsets = _truncated(subsets)
        meta.annotations[OVER_CAPACITY] = "truncated"
    return Endpoints(metadata=meta, subsets=subsets)


def _subsets(service: Service, members: Sequence[Pod]) -> list[EndpointSubset]:
    """Addresses grouped by the set of ports that they share, each group sorted, as upstream's RepackSubsets leaves them."""
    groups: dict[tuple[PortKey, ...], tuple[list[EndpointAddress], list[EndpointAddress]]] = {}
    for pod in sorted(members, key=lambda pod: (pod.status.podIP, pod.metadata.uid)):
        family = backends.families(service)[0]
        addresses = backends.addresses(pod, family)
        if not addresses:
            continue
        keys: set[PortKey] = set()
        for port in service.spec.ports:
            number = backends.port_number(pod, port)
            if number is not None:
                keys.add((port.name, number, port.protocol or "TCP", port.appProtocol or ""))
        if not keys and service.spec.ports:
            continue
        ready, not_ready = groups.setdefault(tuple(sorted(keys)), ([], []))
        if service.spec.publishNotReadyAddresses or pods.is_ready(pod):
            ready.append(_address(pod, service, addresses[0]))
        else:
            not_ready.append(_address(pod, service, addresses[0]))
    return [
        EndpointSubset(
            addresses=ready,
            notReadyAddresses=not_ready,
            ports=[
                EndpointPort(name=name, port=number, protocol=protocol, appProtocol=app or None) for name, number, protocol, app in keys
            ],
        )
        for keys, (ready, not_ready) in sorted(groups.items())
    ]


def _address(pod: Pod, service: Service, ip: str) -> EndpointAddress:
    return EndpointAddress(
        ip=ip, nodeName=pod.spec.nodeName or None, targetRef=backends.reference(pod), hostname=backends.hostname(pod, service)
    )


def _truncated(subsets: Sequence[EndpointSubset]) -> list[EndpointSubset]:
    """The first 1,000 addresses, ready ones before others."""
    room = CAPACITY
    kept = [codec.clone(subset) for subset in subsets]
    for field in ("addresses", "notReadyAddresses"):
        for subset in kept:
            setattr(subset, field, getattr(subset, field)[:room])
            room -= len(getattr(subset, field))
    return [subset for subset in kept if subset.addresses or subset.notReadyAddresses]


def _same(current: Endpoints, wanted: Endpoints) -> bool:
    over = current.metadata.annotations.get(OVER_CAPACITY) == wanted.metadata.annotations.get(OVER_CAPACITY)
    return over and current.subsets == wanted.subsets and current.metadata.labels == wanted.metadata.labels


def _triggered(endpoints: Endpoints, trigger: str) -> Endpoints:
    endpoints.metadata.annotations.pop(wellknown.LAST_CHANGE_TRIGGER_TIME, None)
    if trigger:
        endpoints.metadata.annotations[wellknown.LAST_CHANGE_TRIGGER_TIME] = trigger
    return endpoints
