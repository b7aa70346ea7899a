"""Which addresses a component may connect to on behalf of others.

- An address is proxyable when it is a global unicast address (Go's IP.IsGlobalUnicast, as upstream asks of proxy subresources): never
  unspecified, loopback, link-local (the cloud's metadata services among them), multicast or broadcast; also when IPv6 wraps it.
- A host name is resolved once, all its addresses must be proxyable, and what is dialled afterwards is the address: a name that means
  another address a moment later changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

BROADCAST = IPv4Address("255.255.255.255")
NAT64 = IPv6Network("64:ff9b::/96")
LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
NOT_ALLOWED = "address not allowed"
LONGEST_HOST = 253


class NotAllowed(ValueError):
    """The text says why, in upstream's words."""


def parse_address(text: str) -> Address | None:
    """An address as ParseIPSloppy reads it: leading zeros in IPv4 mean nothing, zones are none of it. IPv4 in IPv6 is IPv4."""
    plain = LEADING_ZEROS.sub("", text) if ":" not in text else text
    try:
        address = ipaddress.ip_address(plain) if "%" not in text and len(text) <= LONGEST_HOST and text.isascii() else None
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def is_proxyable(address: Address) -> bool:
    """Whether traffic of others may go there."""
    if isinstance(address, IPv6Address):
        wrapped = _wrapped(address)
        if wrapped is not None and not is_proxyable(wrapped):
            return False
    elif address == BROADCAST or address in IPv4Network("0.0.0.0/8"):
        return False
    return not (address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local)


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, 6to4, NAT64 or the old compatible form."""
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address in NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def check(address: Address | None, also: Sequence[Network] = ()) -> Address:
    """The address, when it is proxyable or lies in one of `also`; NotAllowed otherwise."""
    if address is None or not (is_proxyable(address) or any(address in network for network in also)):
        raise NotAllowed(NOT_ALLOWED)
    return address


async def resolve(host: str, also: Sequence[Network] = ()) -> Address:
    """The address to dial for a host name or an address; NotAllowed unless everything that the name stands for is proxyable."""
    address = parse_address(host)
    if address is not None:
        return check(address, also)
    addresses = [check(each, also) for each in await _looked_up(host)]
    return addresses[0]


async def _looked_up(host: str) -> list[Address]:
    """What a host name stands for, at least one address; NotAllowed for a name that stands for none."""
    try:
        answers = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotAllowed(f"lookup {host}: no such host") from error
    addresses = [parse_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
    if not addresses:
        raise NotAllowed("no addresses for hostname")
    return [check_parsed(each) for each in addresses]


def check_parsed(address: Address | None) -> Address:
    """The address; NotAllowed where a text was none."""
    if address is None:
        raise NotAllowed(NOT_ALLOWED)
    return address


async def resolve_configured(host: str) -> Address:
    """Address for a host in a configuration file: loopback and private addresses are allowed, unspecified and multicast ones are not."""
    address = parse_address(host)
    addresses = [address] if address is not None else await _looked_up(host)
    for each in addresses:
        if each.is_unspecified or each.is_multicast or each == BROADCAST:
            raise NotAllowed(NOT_ALLOWED)
    return addresses[0]
