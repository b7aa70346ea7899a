"""Libraries `kubernetes.net.ip` and `kubernetes.net.cidr`: addresses and networks as Go's netip reads them.

Refused beyond netip's rules: zones, and IPv4-mapped IPv6 addresses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.cel.costs import (
    ONE,
    STRING_TRAVERSAL,
    CallEstimate,
    Estimator,
    Node,
    Range,
    argument_traversal_estimate,
    double_traversal,
    nominal,
    nominal_estimate,
    traversal,
)
from pilothouse.cel.declarations import Cost, Estimate, Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.types import BOOL, INT, STRING, Type, opaque
from pilothouse.cel.values import size_of
from pilothouse.machinery import netip
from pilothouse.machinery.quoting import go_quoted

IP, CIDR = opaque("net.IP"), opaque("net.CIDR")
OCTETS = Range(4, 16)
"""What an address may have: estimates do not know the family."""


@dataclass(frozen=True, slots=True, eq=False)
class IpValue:
    """An address; its size is that of its octets."""

    address: netip.Addr

    cel_type = IP
    __hash__ = None  # type: ignore[assignment]

    @property
    def cel_size(self) -> int:
        """Octets."""
        return self.address.bits // 8

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IpValue):
            raise EvaluationError("no such overload")
        return self.address == other.address

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True, eq=False)
class CidrValue:
    """An address with a prefix length; host bits count in comparisons."""

    prefix: netip.Prefix

    cel_type = CIDR
    __hash__ = None  # type: ignore[assignment]

    @property
    def cel_size(self) -> int:
        """Octets that the prefix reaches into."""
        return math.ceil(self.prefix.bits / 8)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CidrValue):
            raise EvaluationError("no such overload")
        return self.prefix == other.prefix

    def __str__(self) -> str:
        return str(self.prefix)


def parse_ip(text: str) -> IpValue:
    """An address that Kubernetes allows in CEL."""
    try:
        address = netip.parse_addr(text)
    except ValueError as fault:
        raise EvaluationError(f"IP Address {go_quoted(text)} parse error during conversion from string: {fault}") from None
    if address.zone:
        raise EvaluationError(f"IP address {go_quoted(text)} with zone value is not allowed")
    if address.is4in6:
        raise EvaluationError(f"IPv4-mapped IPv6 address {go_quoted(text)} is not allowed")
    return IpValue(address)


def parse_cidr(text: str) -> CidrValue:
    """A network that Kubernetes allows in CEL. Upstream says twice what it was doing."""
    doing = "network address parse error during conversion from string"
    try:
        prefix = netip.parse_prefix(text)
    except ValueError as fault:
        raise EvaluationError(f"{doing}: {doing}: {fault}") from None
    if prefix.addr.is4in6:
        raise EvaluationError(f"{doing}: IPv4-mapped IPv6 address {go_quoted(text)} is not allowed")
    return CidrValue(prefix)


def is_ip(text: str) -> bool:
    """`isIP(text)`."""
    try:
        parse_ip(text)
    except EvaluationError:
        return False
    return True


def is_cidr(text: str) -> bool:
    """`isCIDR(text)`."""
    try:
        parse_cidr(text)
    except EvaluationError:
        return False
    return True


def contains_ip(network: CidrValue, other: IpValue) -> bool:
    """`containsIP(ip)`."""
    return network.prefix.contains(other.address)


def contains_ip_text(network: CidrValue, other: str) -> bool:
    """`containsIP(text)`: a text that is no address has no overload, upstream says."""
    try:
        address = parse_ip(other)
    except EvaluationError:
        raise EvaluationError("no such overload") from None
    return contains_ip(network, address)


def contains_cidr(network: CidrValue, other: CidrValue) -> bool:
    """`containsCIDR(cidr)`."""
    return network.prefix.overlaps(other.prefix) and network.prefix.bits <= other.prefix.bits


def contains_cidr_text(network: CidrValue, other: str) -> bool:
    """`containsCIDR(text)`."""
    return contains_cidr(network, parse_cidr(other))


def _comparison_cost(masks: bool, text: bool) -> Cost:
    """The octets of the network twice; once more for the mask of a network; the text where it has to be parsed."""

    def cost(arguments: Sequence[Any], result: Any) -> int:
        octets = size_of(arguments[0])
        total = math.ceil(2 * octets * STRING_TRAVERSAL)
        total += math.ceil(octets * STRING_TRAVERSAL) + 1 if masks else 0
        return total + (math.ceil(size_of(arguments[1]) * STRING_TRAVERSAL) if text else 0)

    return cost


def _comparison_estimate(masks: bool, text: bool) -> Estimate:
    def estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
        if not arguments:
            return None
        cost = OCTETS.plus(OCTETS).scaled(STRING_TRAVERSAL)
        if masks:
            cost = cost.plus(OCTETS.scaled(STRING_TRAVERSAL)).plus(ONE)
        if text:
            cost = cost.plus(estimator.size(arguments[0]).scaled(STRING_TRAVERSAL))
        return CallEstimate(cost)

    return estimate


def canonical_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """Two traversals: the text is parsed and compared."""
    return CallEstimate(estimator.size(arguments[0]).scaled(2 * STRING_TRAVERSAL)) if arguments else None


def _check(name: str, overload: str, attribute: str) -> Function:
    def check(value: IpValue) -> object:
        return getattr(value.address, attribute)

    return Function(name, (Overload(overload, (IP,), BOOL, check, receiver=True),), nominal, nominal_estimate)


def _method(name: str, overload: str, receiver: Type, result: Type, call: Any) -> Function:
    return Function(name, (Overload(overload, (receiver,), result, call, receiver=True),), nominal, nominal_estimate)


def _parser(name: str, overload: str, result: Type, call: Any) -> Function:
    return Function(name, (Overload(overload, (STRING,), result, call),), traversal, argument_traversal_estimate)


def _containment(name: str, masks: bool, of_text: tuple[str, Any], of_value: tuple[str, Type, Any]) -> Function:
    text = Overload(of_text[0], (CIDR, STRING), BOOL, of_text[1], True, _comparison_cost(masks, True), _comparison_estimate(masks, True))
    value = Overload(of_value[0], (CIDR, of_value[1]), BOOL, of_value[2], True)
    return Function(name, (text, value), _comparison_cost(masks, False), _comparison_estimate(masks, False))


IP_LIBRARY = Library(
    "kubernetes.net.ip",
    types=(IP,),
    since=30,
    functions=(
        _parser("ip", "string_to_ip", IP, parse_ip),
        _parser("isIP", "is_ip", BOOL, is_ip),
        Function(
            "ip.isCanonical",
            (Overload("ip_is_canonical", (STRING,), BOOL, lambda text: str(parse_ip(text).address) == text),),
            double_traversal,
            canonical_estimate,
        ),
        _method("family", "ip_family", IP, INT, lambda value: 4 if value.address.is4 else 6),
        _check("isUnspecified", "ip_is_unspecified", "is_unspecified"),
        _check("isLoopback", "ip_is_loopback", "is_loopback"),
        _check("isLinkLocalMulticast", "ip_is_link_local_multicast", "is_link_local_multicast"),
        _check("isLinkLocalUnicast", "ip_is_link_local_unicast", "is_link_local_unicast"),
        _check("isGlobalUnicast", "ip_is_global_unicast", "is_global_unicast"),
        Function("string", (Overload("ip_to_string", (IP,), STRING, lambda value: str(value.address)),)),
    ),
)

CIDR_LIBRARY = Library(
    "kubernetes.net.cidr",
    types=(CIDR,),
    since=30,
    functions=(
        _parser("cidr", "string_to_cidr", CIDR, parse_cidr),
        _parser("isCIDR", "is_cidr", BOOL, is_cidr),
        _containment("containsIP", False, ("cidr_contains_ip_string", contains_ip_text), ("cidr_contains_ip_ip", IP, contains_ip)),
        _containment("containsCIDR", True, ("cidr_contains_cidr_string", contains_cidr_text), ("cidr_contains_cidr", CIDR, contains_cidr)),
        _method("ip", "cidr_ip", CIDR, IP, lambda value: IpValue(value.prefix.addr)),
        _method("prefixLength", "cidr_prefix_length", CIDR, INT, lambda value: value.prefix.bits),
        _method("masked", "cidr_masked", CIDR, CIDR, lambda value: CidrValue(value.prefix.masked())),
        Function("string", (Overload("cidr_to_string", (CIDR,), STRING, lambda value: str(value.prefix)),)),
    ),
)
