"""Warnings about IP addresses and CIDRs that are not in canonical form."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address, ip_interface, ip_network

FUTURE = "will be considered invalid in a future Kubernetes release"


def of_address(path: str, value: str) -> Iterator[str]:
    """Warning about an address that is not canonical; invalid ones were refused before."""
    if ":" not in value:
        return
    try:
        address = ip_address(value)
    except ValueError:
        return
    if not isinstance(address, IPv6Address):
        return
    if address.ipv4_mapped:
        yield f'{path}: non-standard IP address "{value}" {FUTURE}: use "{address.ipv4_mapped}"'
    elif str(address) != value:
        yield f'{path}: IPv6 address "{value}" should be in RFC 5952 canonical format ("{address}")'


def of_range(path: str, value: str) -> Iterator[str]:
    """Warnings for a CIDR with host bits, or not in canonical form. Upstream: GetWarningsForCIDR."""
    try:
        network, own = ip_network(value, strict=False), ip_interface(value)
    except ValueError:
        return
    if network.network_address != own.ip:
        yield f'{path}: CIDR value "{value}" is ambiguous in this context (should be "{network}" or "{own.ip}/{network.max_prefixlen}"?)'
    elif network.version == 6 and str(network) != value:
        yield f'{path}: IPv6 CIDR value "{value}" should be in RFC 5952 canonical format ("{network}")'
