"""Dependencies between fields of a Service: derived values, and what an update keeps or drops.

The registry allocates addresses and ports after this (apiserver/registry/allocation.py); here nothing is allocated.
"""

from __future__ import annotations

from pilothouse.api.types.core_v1 import LoadBalancerStatus, Service

HEADLESS = "None"
SINGLE, DUAL = "SingleStack", "RequireDualStack"
FAMILIES = ("IPv4", "IPv6")


def is_headless(service: Service) -> bool:
    """Whether the Service has clusterIP None."""
    return service.spec.clusterIPs == [HEADLESS] or (not service.spec.clusterIPs and service.spec.clusterIP == HEADLESS)


def externally_accessible(service: Service) -> bool:
    """Whether traffic from outside of the cluster may arrive."""
    return service.spec.type in ("LoadBalancer", "NodePort") or (service.spec.type == "ClusterIP" and bool(service.spec.externalIPs))


def needs_cluster_ip(service: Service) -> bool:
    """Whether the Service's type has a cluster IP."""
    return service.spec.type in ("ClusterIP", "NodePort", "LoadBalancer")


def needs_node_ports(service: Service) -> bool:
    """Whether the Service gets node ports."""
    if service.spec.type == "NodePort":
        return True
    return service.spec.type == "LoadBalancer" and service.spec.allocateLoadBalancerNodePorts is not False


def needs_health_check(service: Service) -> bool:
    """Whether the Service gets a health check node port (LoadBalancer with externalTrafficPolicy Local)."""
    return service.spec.type == "LoadBalancer" and service.spec.externalTrafficPolicy == "Local"


def normalise_cluster_ips(old: Service | None, new: Service) -> None:
    """Keep `clusterIP` and `clusterIPs` alike: a client that knows one of them alone changes both."""
    spec = new.spec
    if old is None:
        if spec.clusterIP and not spec.clusterIPs:
            spec.clusterIPs = [spec.clusterIP]
        return
    if old.spec.clusterIP and not spec.clusterIP and spec.clusterIPs == old.spec.clusterIPs:
        spec.clusterIPs = []
    elif old.spec.clusterIP != spec.clusterIP and spec.clusterIP and spec.clusterIPs == old.spec.clusterIPs:
        spec.clusterIPs = [spec.clusterIP]


def default_families(new: Service) -> None:
    """Families of a cluster with IPv4 alone. A headless Service without selector may list endpoints of both."""
    spec = new.spec
    if not needs_cluster_ip(new):
        return
    if is_headless(new) and not spec.selector:
        spec.ipFamilies = spec.ipFamilies or [FAMILIES[0]]
        if len(spec.ipFamilies) < len(FAMILIES) and spec.ipFamilyPolicy != SINGLE:
            spec.ipFamilies = [*spec.ipFamilies, *(family for family in FAMILIES if family not in spec.ipFamilies)]
        if spec.ipFamilyPolicy is None:
            spec.ipFamilyPolicy = DUAL
        return
    if spec.ipFamilyPolicy is None:
        spec.ipFamilyPolicy = SINGLE
    spec.ipFamilies = spec.ipFamilies or [FAMILIES[0]]


def carry_allocated(old: Service, new: Service) -> None:
    """A client that leaves out what was allocated keeps it (upstream's patchAllocatedValues)."""
    if needs_cluster_ip(old) and needs_cluster_ip(new):
        new.spec.clusterIP = new.spec.clusterIP or old.spec.clusterIP
        if not new.spec.clusterIPs and new.spec.clusterIP == old.spec.clusterIP:
            new.spec.clusterIPs = list(old.spec.clusterIPs)
        if not new.spec.ipFamilies and new.spec.clusterIPs == old.spec.clusterIPs:
            new.spec.ipFamilies = list(old.spec.ipFamilies)
        if new.spec.ipFamilyPolicy is None:
            new.spec.ipFamilyPolicy = old.spec.ipFamilyPolicy
    if needs_node_ports(old) and needs_node_ports(new):
        _carry_node_ports(old, new)
    if needs_health_check(old) and needs_health_check(new) and not new.spec.healthCheckNodePort:
        new.spec.healthCheckNodePort = old.spec.healthCheckNodePort


def _carry_node_ports(old: Service, new: Service) -> None:
    """By the name of the port: its number and protocol may have changed. A node port that both say is not given to another port."""
    before = {port.name: port.nodePort for port in old.spec.ports}
    used = _node_ports(old) & _node_ports(new)
    for port in new.spec.ports:
        kept = before.get(port.name)
        if not port.nodePort and kept and kept not in used:
            port.nodePort = kept


def drop_dependent(old: Service, new: Service) -> None:
    """Drop fields that only the old type needed, unless the client changed them."""
    if needs_cluster_ip(old) and not needs_cluster_ip(new):
        if (new.spec.clusterIP, new.spec.clusterIPs) == (old.spec.clusterIP, old.spec.clusterIPs):
            new.spec.clusterIP, new.spec.clusterIPs = "", []
        if new.spec.ipFamilies == old.spec.ipFamilies:
            new.spec.ipFamilies = []
        if new.spec.ipFamilyPolicy == old.spec.ipFamilyPolicy:
            new.spec.ipFamilyPolicy = None
    if _may_have_node_ports(old) and not _may_have_node_ports(new) and _node_ports(old) >= _node_ports(new):
        for port in new.spec.ports:
            port.nodePort = 0
    if needs_health_check(old) and not needs_health_check(new) and old.spec.healthCheckNodePort == new.spec.healthCheckNodePort:
        new.spec.healthCheckNodePort = 0
    if old.spec.type == "LoadBalancer" and new.spec.type != "LoadBalancer":
        if old.spec.allocateLoadBalancerNodePorts == new.spec.allocateLoadBalancerNodePorts:
            new.spec.allocateLoadBalancerNodePorts = None
        if old.spec.loadBalancerClass == new.spec.loadBalancerClass:
            new.spec.loadBalancerClass = None
    closed = externally_accessible(old) and not externally_accessible(new)
    if closed and old.spec.externalTrafficPolicy == new.spec.externalTrafficPolicy:
        new.spec.externalTrafficPolicy = ""
    if new.spec.type != "LoadBalancer":
        new.status.loadBalancer = LoadBalancerStatus()


def _may_have_node_ports(service: Service) -> bool:
    """Also where none is allocated: a client may have named one itself."""
    return service.spec.type in ("NodePort", "LoadBalancer")


def _node_ports(service: Service) -> set[int]:
    return {port.nodePort for port in service.spec.ports if port.nodePort}
