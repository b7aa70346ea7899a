"""What a Service's fields mean for its addresses and node ports, and how an update carries over what was allocated. All pure."""

from __future__ import annotations

import ipaddress
from typing import Any

from pilothouse.api.types.core_v1 import Service
from pilothouse.machinery.errors import invalid
from pilothouse.machinery.problems import Problems

HEADLESS = "None"


def needs_address(service: Service) -> bool:
    """Whether it has cluster addresses of its own: all but ExternalName and headless Services."""
    return service.spec.type != "ExternalName" and HEADLESS not in (service.spec.clusterIP, *service.spec.clusterIPs[:1])


def needs_node_ports(service: Service) -> bool:
    if service.spec.type == "LoadBalancer":
        return service.spec.allocateLoadBalancerNodePorts is not False
    return service.spec.type == "NodePort"


def node_ports(service: Service) -> set[tuple[int, str]]:
    return {(one.nodePort, one.protocol) for one in service.spec.ports if one.nodePort}


def held(service: Service) -> set[Any]:
    """Everything of the shared ranges that a Service has: addresses as text, node ports as (number, protocol)."""
    taken: set[Any] = {one for one in service.spec.clusterIPs if one and one != HEADLESS}
    taken |= node_ports(service)
    if service.spec.healthCheckNodePort:
        taken.add((service.spec.healthCheckNodePort, "TCP"))
    return taken


def settle(old: Service | None, new: Service, families: tuple[str, ...]) -> None:
    """Make the fields agree with one another and carry over what was allocated before; what is still missing is left empty."""
    if old is not None:
        _drop_what_the_type_ends(old, new)
        _carry_over(old, new)
    _normalise(old, new)
    _settle_families(old, new, families)


def _drop_what_the_type_ends(old: Service, new: Service) -> None:
    """A client that changes the type sends the old type's allocations along: they go unless it changed them, too."""
    if needs_address(old) and new.spec.type == "ExternalName" and new.spec.clusterIP == old.spec.clusterIP:
        new.spec.clusterIP, new.spec.clusterIPs = "", []
        new.spec.ipFamilies, new.spec.ipFamilyPolicy = [], ""
    if needs_node_ports(old) and not needs_node_ports(new) and node_ports(old) >= node_ports(new):
        for port in new.spec.ports:
            port.nodePort = None
    if old.spec.healthCheckNodePort and new.spec.healthCheckNodePort == old.spec.healthCheckNodePort:
        kept = new.spec.type == "LoadBalancer" and new.spec.externalTrafficPolicy == "Local"
        new.spec.healthCheckNodePort = old.spec.healthCheckNodePort if kept else None


def _carry_over(old: Service, new: Service) -> None:
    """A client that leaves allocated values out means to keep them."""
    if needs_address(old) and needs_address(new):
        if not new.spec.clusterIP and not new.spec.clusterIPs:
            new.spec.clusterIPs = list(old.spec.clusterIPs)
        new.spec.clusterIP = new.spec.clusterIP or old.spec.clusterIP
    if needs_node_ports(old) and needs_node_ports(new):
        before = {(one.port, one.protocol): one.nodePort for one in old.spec.ports}
        used = {one.nodePort for one in new.spec.ports if one.nodePort}
        for port in new.spec.ports:
            number = before.get((port.port, port.protocol))
            if not port.nodePort and number and number not in used:
                port.nodePort = number


def _normalise(old: Service | None, new: Service) -> None:
    """clusterIP is the first of clusterIPs: who sets one of them means both."""
    spec = new.spec
    if spec.type == "ExternalName":
        return
    if spec.clusterIP and not spec.clusterIPs:
        spec.clusterIPs = [spec.clusterIP]
    elif spec.clusterIPs and not spec.clusterIP and old is None:
        spec.clusterIP = spec.clusterIPs[0]
    elif old is not None and spec.clusterIPs[:1] != [spec.clusterIP] and spec.clusterIPs == old.spec.clusterIPs:
        spec.clusterIPs = [spec.clusterIP, *spec.clusterIPs[1:]] if spec.clusterIP else []
    elif old is not None and spec.clusterIPs and spec.clusterIP == old.spec.clusterIP:
        spec.clusterIP = spec.clusterIPs[0]


def family_of(address: str) -> str:
    try:
        return f"IPv{ipaddress.ip_address(address).version}"
    except ValueError:
        return "IPv4"


def _settle_families(old: Service | None, new: Service, families: tuple[str, ...]) -> None:
    spec = new.spec
    if spec.type == "ExternalName":
        return
    selectorless = spec.clusterIP == HEADLESS and not spec.selector
    if not spec.ipFamilyPolicy:
        inherited = old.spec.ipFamilyPolicy if old is not None else ""
        spec.ipFamilyPolicy = inherited or ("RequireDualStack" if selectorless else "SingleStack")
    if old is not None and spec.ipFamilyPolicy == "SingleStack":
        if spec.clusterIPs == old.spec.clusterIPs:
            spec.clusterIPs = spec.clusterIPs[:1]
        if spec.ipFamilies == old.spec.ipFamilies:
            spec.ipFamilies = spec.ipFamilies[:1]
    problems = Problems()
    _check_single(new, problems)
    for address in spec.clusterIPs[len(spec.ipFamilies) :]:
        if address and address != HEADLESS:
            spec.ipFamilies = [*spec.ipFamilies, family_of(address)]
    if not selectorless:
        _check_configured(new, families, problems)
    if problems:
        raise invalid("Service", "", new.metadata.name, problems.found)
    _complete_families(new, ("IPv4", "IPv6") if selectorless else families, families[0])


def _check_single(new: Service, problems: Problems) -> None:
    spec = new.spec
    if spec.ipFamilyPolicy != "SingleStack":
        return
    for count, what in ((len(spec.clusterIPs), "cluster IPs"), (len(spec.ipFamilies), "IP families")):
        if count == 2:
            problems.at("spec", "ipFamilyPolicy").invalid(
                spec.ipFamilyPolicy, f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
            )


def _check_configured(new: Service, families: tuple[str, ...], problems: Problems) -> None:
    spec = new.spec
    if spec.ipFamilyPolicy == "RequireDualStack" and len(families) < 2:
        problems.at("spec", "ipFamilyPolicy").invalid(spec.ipFamilyPolicy, "this cluster is not configured for dual-stack services")
    for index, family in enumerate(spec.ipFamilies):
        if family not in families:
            problems.at("spec", "ipFamilies", index).invalid(family, "not configured on this cluster")


def _complete_families(new: Service, possible: tuple[str, ...], default: str) -> None:
    spec = new.spec
    if not spec.ipFamilies:
        spec.ipFamilies = [default]
    if spec.ipFamilyPolicy != "SingleStack" and len(spec.ipFamilies) == 1:
        spec.ipFamilies = [*spec.ipFamilies, *(one for one in possible if one not in spec.ipFamilies)][:2]
