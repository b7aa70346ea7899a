"""Packet plans of Services and EndpointSlices, the same for every backend. Pure.

- One `PortPlan` a port of a Service; equal plans mean that no rule needs to change.
- Endpoints that are ready serve; where none is, those that still serve while they terminate.
- The policies are resolved to two sets of targets, everywhere and on this node; which one a packet may use stands beside.
- Headless and ExternalName Services have no plan, nor do those that name another proxy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pilothouse.api.types.core_v1 import Service, ServicePort
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointSlice

DEFAULT_AFFINITY_SECONDS = 10800
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"


class PortKey(NamedTuple):
    """A port of a Service."""

    namespace: str
    service: str
    port: str
    protocol: str


class Target(NamedTuple):
    """Address and port of an endpoint."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class PortPlan:
    """Packet rules for one port of a Service. All addresses are IPv4."""

    key: PortKey
    port: int
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    node_port: int = 0
    everywhere: tuple[Target, ...] = ()
    here: tuple[Target, ...] = ()
    serving: tuple[Target, ...] = ()
    """Who still answers, whether new connections may go there or not: what UDP clients began is left to them (TCP does so by itself)."""
    internal_local: bool = False
    external_local: bool = False
    affinity_seconds: int = 0
    source_ranges: tuple[str, ...] = ()

    @property
    def protocol(self) -> str:
        """The protocol in lower case, as nft writes it."""
        return self.key.protocol.lower()

    @property
    def internal(self) -> tuple[Target, ...]:
        """Endpoints for traffic to the ClusterIP."""
        return self.here if self.internal_local else self.everywhere

    @property
    def external(self) -> tuple[Target, ...]:
        """Endpoints for traffic to node ports, external IPs and load balancer IPs."""
        return self.here if self.external_local else self.everywhere

    @property
    def is_external(self) -> bool:
        """Whether the port can be reached from outside the cluster."""
        return bool(self.node_port or self.external_ips or self.load_balancer_ips)


def plan_service(service: Service, slices: Iterable[EndpointSlice], node_name: str) -> dict[PortKey, PortPlan]:
    """The plans of all ports of a Service."""
    if not is_proxied(service):
        return {}
    usable = [slice_ for slice_ in slices if slice_.addressType == "IPv4" and not slice_.metadata.deletionTimestamp]
    plans = (plan_port(service, port, usable, node_name) for port in service.spec.ports)
    return {plan.key: plan for plan in plans}


def is_proxied(service: Service) -> bool:
    """Whether the Service is this proxy's: it has a cluster IP and names no other proxy."""
    spec = service.spec
    if spec.type == "ExternalName" or PROXY_NAME_LABEL in service.metadata.labels:
        return False
    return spec.clusterIP not in ("", "None")


def plan_port(service: Service, port: ServicePort, slices: Sequence[EndpointSlice], node_name: str) -> PortPlan:
    """The plan for one port of a Service on this node: addresses, targets and policies."""
    spec = service.spec
    protocol = port.protocol or "TCP"
    everywhere, here = targets(slices, port.name, protocol, node_name)
    ingress = [ingress.ip for ingress in service.status.loadBalancer.ingress if ingress.ip and ingress.ipMode != "Proxy"]
    return PortPlan(
        key=PortKey(service.metadata.namespace, service.metadata.name, port.name, protocol),
        port=port.port,
        cluster_ips=ipv4(spec.clusterIPs or [spec.clusterIP]),
        external_ips=ipv4(spec.externalIPs),
        load_balancer_ips=ipv4(ingress) if spec.type == "LoadBalancer" else (),
        node_port=(port.nodePort or 0) if spec.type in ("NodePort", "LoadBalancer") else 0,
        everywhere=everywhere,
        here=here,
        serving=serving(slices, port.name, protocol) if protocol == "UDP" else (),
        internal_local=spec.internalTrafficPolicy == "Local",
        external_local=spec.externalTrafficPolicy == "Local",
        affinity_seconds=affinity_seconds(service),
        source_ranges=tuple(source_range.strip() for source_range in spec.loadBalancerSourceRanges if "." in source_range)
        if spec.type == "LoadBalancer"
        else (),
    )


def health_check_of(service: Service, slices: Iterable[EndpointSlice], node_name: str) -> tuple[int, int] | None:
    """(healthCheckNodePort, how many ready endpoints this node has); None for a Service that has no such port."""
    spec = service.spec
    if not is_proxied(service) or spec.externalTrafficPolicy != "Local" or not spec.healthCheckNodePort:
        return None
    here = {
        endpoint.addresses[0]
        for slice_ in slices
        for endpoint in slice_.endpoints or ()
        if endpoint.addresses and endpoint.nodeName == node_name and is_ready(endpoint)
    }
    return spec.healthCheckNodePort, len(here)


def ipv4(addresses: Iterable[str]) -> tuple[str, ...]:
    """The IPv4 addresses among them, each once, in order."""
    return tuple(dict.fromkeys(address for address in addresses if ":" not in address))


def affinity_seconds(service: Service) -> int:
    """Timeout of session affinity; 0 for none."""
    if service.spec.sessionAffinity != "ClientIP":
        return 0
    config = service.spec.sessionAffinityConfig
    seconds = config.clientIP.timeoutSeconds if config and config.clientIP else None
    return seconds or DEFAULT_AFFINITY_SECONDS


def targets(
    slices: Sequence[EndpointSlice], port_name: str, protocol: str, node_name: str
) -> tuple[tuple[Target, ...], tuple[Target, ...]]:
    """The usable targets (everywhere, on this node), sorted."""
    ready: dict[Target, bool] = {}
    ending: dict[Target, bool] = {}
    for endpoint, target in endpoints_of(slices, port_name, protocol):
        group = ready if is_ready(endpoint) else ending if is_ending(endpoint) else None
        if group is not None:
            group[target] = group.get(target, False) or endpoint.nodeName == node_name
    return tuple(sorted(ready or ending)), in_order(ready, here=True) or in_order(ending, here=True)


def serving(slices: Sequence[EndpointSlice], port_name: str, protocol: str) -> tuple[Target, ...]:
    """Serving endpoints, sorted."""
    return tuple(sorted({target for endpoint, target in endpoints_of(slices, port_name, protocol) if is_serving(endpoint)}))


def endpoints_of(slices: Sequence[EndpointSlice], port_name: str, protocol: str) -> Iterator[tuple[Endpoint, Target]]:
    """Every endpoint of a port, and where it listens."""
    for slice_ in slices:
        number = next((port.port for port in slice_.ports or () if port.name == port_name and (port.protocol or "TCP") == protocol), None)
        if number:
            yield from ((endpoint, Target(endpoint.addresses[0], number)) for endpoint in slice_.endpoints or () if endpoint.addresses)


def in_order(targets: dict[Target, bool], here: bool) -> tuple[Target, ...]:
    """The targets that are local (or not), sorted."""
    return tuple(sorted(target for target, local in targets.items() if local == here))


def is_ready(endpoint: Endpoint) -> bool:
    """An unknown state counts as ready."""
    return endpoint.conditions.ready is not False


def is_ending(endpoint: Endpoint) -> bool:
    """Terminating, but still answering."""
    conditions = endpoint.conditions
    return conditions is not None and bool(conditions.terminating) and is_serving(endpoint)


def is_serving(endpoint: Endpoint) -> bool:
    """Whether an endpoint is serving; an unset state counts as serving."""
    return endpoint.conditions.serving is not False
