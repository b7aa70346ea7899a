"""Cluster IPs, IP families and node ports in a Service's fields. Pure.

What an update carries over or drops of what was allocated: api/core/servicefields.py.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from pilothouse.api.core.validation.service import validate_cluster_ips
from pilothouse.api.types.core_v1 import Service
from pilothouse.machinery.errors import invalid
from pilothouse.machinery.problems import Problems

HEADLESS = "None"


def needs_address(service: Service) -> bool:
    """Whether the Service needs cluster IPs: all but ExternalName and headless Services."""
    return service.spec.type != "ExternalName" and HEADLESS not in (service.spec.clusterIP, *service.spec.clusterIPs[:1])


def node_ports(service: Service) -> set[tuple[int, str]]:
    """Node ports of a Service as (port, protocol)."""
    return {(port.nodePort, port.protocol) for port in service.spec.ports if port.nodePort}


def allocated_values(service: Service) -> set[Any]:
    """All allocated values of a Service: addresses as text, node ports as (number, protocol)."""
    taken: set[Any] = {address for address in service.spec.clusterIPs if address and address != HEADLESS}
    taken |= node_ports(service)
    if service.spec.healthCheckNodePort:
        taken.add((service.spec.healthCheckNodePort, "TCP"))
    return taken


def family_of(address: str) -> str:
    """IP family of an address, `IPv4` or `IPv6`; `IPv4` for what is no address."""
    try:
        return f"IPv{ipaddress.ip_address(address).version}"
    except ValueError:
        return "IPv4"


def reconcile_families(old: Service | None, new: Service, families: tuple[str, ...]) -> None:
    """Make clusterIPs, ipFamilies and ipFamilyPolicy consistent; missing addresses are left empty."""
    spec = new.spec
    if spec.type == "ExternalName":
        return
    selectorless = spec.clusterIP == HEADLESS and not spec.selector
    if spec.ipFamilyPolicy is None:
        inherited = old.spec.ipFamilyPolicy if old is not None else None
        spec.ipFamilyPolicy = inherited or ("RequireDualStack" if selectorless else "SingleStack")
    problems = Problems()
    validate_cluster_ips(new, problems.at("spec"))
    if problems:
        raise invalid("Service", "", new.metadata.name, problems.found)
    if old is not None and spec.ipFamilyPolicy == "SingleStack":
        if spec.clusterIPs == old.spec.clusterIPs:
            spec.clusterIPs = spec.clusterIPs[:1]
        if spec.ipFamilies == old.spec.ipFamilies:
            spec.ipFamilies = spec.ipFamilies[:1]
    _check_single(new, problems)
    for address in spec.clusterIPs[len(spec.ipFamilies) :]:
        if address and address != HEADLESS:
            spec.ipFamilies = [*spec.ipFamilies, family_of(address)]
    if not selectorless and not problems:
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
        spec.ipFamilies = [*spec.ipFamilies, *(family for family in possible if family not in spec.ipFamilies)][:2]
