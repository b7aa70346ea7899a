"""Rules of IP addresses and ranges."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from pilothouse.kit.remember import remember
from pilothouse.machinery.problems import Problems

BAD_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
BAD_RANGE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
ADDRESSES_REMEMBERED = 16384
ONE_A_FAMILY = "may specify no more than one IP for each IP family"


@remember(ADDRESSES_REMEMBERED)
def parsed(value: str) -> IPv4Address | IPv6Address | None:
    """The IP address, or None for a text that is none. Results are remembered."""
    try:
        return ip_address(value)
    except ValueError:
        return None


def validate_address(value: str, problems: Problems) -> bool:
    """True for an address; a zone is none of it."""
    if re.fullmatch(r"\d+(\.\d+){3}", value) and re.search(r"(^|\.)0\d", value) and parsed(re.sub(r"(^|\.)0+(?=\d)", r"\1", value)):
        problems.invalid(value, "must not have leading 0s")
        return False
    if parsed(value) is None or "%" in value:
        problems.invalid(value, BAD_ADDRESS)
        return False
    return True


def validate_range(value: str, problems: Problems) -> bool:
    """Report a text that is no CIDR; True when it is one. Upstream: IsValidCIDRForLegacyField."""
    try:
        ip_network(value, strict=False)
    except ValueError:
        valid = False
    else:
        valid = "/" in value
    if not valid:
        problems.invalid(value, BAD_RANGE)
    return valid


def validate_routable(value: str, problems: Problems) -> None:
    """An address that traffic can be sent to: not this host, not this link."""
    for detail in unroutable(value):
        problems.invalid(value, detail)


@remember(ADDRESSES_REMEMBERED)
def unroutable(value: str) -> tuple[str, ...]:
    """Why traffic cannot be sent to an address. Remembered: Endpoints of many addresses are validated whole at each change."""
    address = parsed(value)
    if address is None:
        return ("must be a valid IP address",)
    reasons = {
        f"may not be unspecified ({value})": address.is_unspecified,
        "may not be in the loopback range (127.0.0.0/8, ::1/128)": address.is_loopback,
        "may not be in the link-local range (169.254.0.0/16, fe80::/10)": address.is_link_local,
        "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)": _link_local_multicast(address),
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def _link_local_multicast(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return address in ip_network("224.0.0.0/24")
    return address.is_multicast and address.packed[1] & 0x0F == 2


def dual_stack(values: Sequence[str]) -> bool:
    """Whether there is at least one address of each family."""
    return {address.version for address in (parsed(value.partition("/")[0]) for value in values) if address} == {4, 6}


def is_ipv6(value: str) -> bool:
    """Whether the text is an IPv6 address."""
    return isinstance(parsed(value), IPv6Address)


def validate_interface_address(value: str, problems: Problems) -> None:
    """An address with the length of its network's prefix, in the one form that Go writes."""
    try:
        if "/" not in value:
            raise ValueError(value)
        canonical = str(ipaddress.ip_interface(value))
    except ValueError:
        problems.invalid(value, "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)")
        return
    if value != canonical:
        problems.invalid(value, f'must be in canonical form ("{canonical}")')
