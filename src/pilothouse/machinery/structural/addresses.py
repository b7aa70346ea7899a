"""IP addresses, networks and MAC addresses in text, as Go's package net and upstream's sloppy variants of it read them."""

from __future__ import annotations

import ipaddress
import re

from pilothouse.machinery import strconv

LONGEST = 1000
"""No address is longer, however many zeros it begins with."""
SLOPPY_OCTET = re.compile(r"(?<![0-9])0+(?=[0-9])")
IPV4_TAIL = re.compile(r"[0-9.]*\.[0-9.]*\Z")
PAIR = "[0-9a-fA-F]{2}"
MAC = re.compile(rf"(?:{PAIR}:)+{PAIR}|(?:{PAIR}-)+{PAIR}|(?:{PAIR}{PAIR}\.)+{PAIR}{PAIR}|(?:{PAIR})+")
MAC_DIGITS = frozenset({12, 16, 40})


def is_ip(text: str, *, sloppy: bool = False) -> bool:
    """net.ParseIP; or, sloppy, with zeros before the octets of IPv4 as Go before 1.17 took them."""
    return _parse(text, sloppy=sloppy) is not None


def is_ipv6(text: str) -> bool:
    """An IPv6 address without a zone."""
    return isinstance(_parse(text, sloppy=False), ipaddress.IPv6Address)


def is_cidr(text: str) -> bool:
    """An address and the length of its prefix, zeros before octets allowed."""
    address, slash, length = text.partition("/")
    parsed = _parse(address, sloppy=True)
    if not slash or parsed is None or strconv.DIGITS.fullmatch(length) is None:
        return False
    bits = strconv.unsigned(length.lstrip("0") or "0")
    return bits is not None and bits <= parsed.max_prefixlen


def is_mac(text: str) -> bool:
    """net.ParseMAC: 6, 8 or 20 bytes, with colons, hyphens, dots or nothing between them."""
    return MAC.fullmatch(text) is not None and len(re.sub("[:.-]", "", text)) in MAC_DIGITS


def _parse(text: str, *, sloppy: bool) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if "%" in text or "/" in text or len(text) > LONGEST:
        return None
    if sloppy and (tail := IPV4_TAIL.search(text)) is not None:
        text = text[: tail.start()] + SLOPPY_OCTET.sub("", tail[0])
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
