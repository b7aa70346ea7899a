"""IP addresses and prefixes as Go's package net/netip reads and writes them; errors are ValueErrors in its words.

No leading zeros, no IPv4 of fewer than four octets; IPv6 is written canonically (RFC 5952); zones are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pilothouse.machinery import strconv
from pilothouse.machinery.quoting import go_quoted

MAPPED = 0xFFFF


@dataclass(frozen=True, slots=True)
class Addr:
    """An address: its number, whether it is IPv4, its zone (IPv6 only)."""

    number: int
    is4: bool
    zone: str = ""

    @property
    def bits(self) -> int:
        """Length in bits: 32 or 128."""
        return 32 if self.is4 else 128

    @property
    def is4in6(self) -> bool:
        """Whether it is an IPv6 address that stands for an IPv4 one (::ffff:0:0/96)."""
        return not self.is4 and self.number >> 32 == MAPPED

    def unmap(self) -> Addr:
        """The IPv4 address of an IPv4-mapped IPv6 address; other addresses are kept."""
        return Addr(self.number & 0xFFFFFFFF, True) if self.is4in6 else self

    @property
    def is_unspecified(self) -> bool:
        """0.0.0.0 or ::."""
        return self.number == 0 and not self.zone

    @property
    def is_loopback(self) -> bool:
        """127.0.0.0/8 or ::1."""
        plain = self.unmap()
        return plain.number >> 24 == 127 if plain.is4 else plain.number == 1

    @property
    def is_multicast(self) -> bool:
        """224.0.0.0/4 or ff00::/8."""
        plain = self.unmap()
        return plain.number >> 28 == 0xE if plain.is4 else plain.number >> 120 == 0xFF

    @property
    def is_link_local_multicast(self) -> bool:
        """224.0.0.0/24 or ff02::/16 of any flags."""
        plain = self.unmap()
        return plain.number >> 8 == 0xE00000 if plain.is4 else (plain.number >> 112) & 0xFF0F == 0xFF02

    @property
    def is_link_local_unicast(self) -> bool:
        """169.254.0.0/16 or fe80::/10."""
        plain = self.unmap()
        return plain.number >> 16 == 0xA9FE if plain.is4 else plain.number >> 118 == 0x3FA

    @property
    def is_global_unicast(self) -> bool:
        """Neither unspecified, broadcast, loopback, multicast nor link-local: private ranges are global, as in Go."""
        plain = self.unmap()
        if plain.is4 and plain.number in (0, 0xFFFFFFFF):
            return False
        return not (plain.is_unspecified or plain.is_loopback or plain.is_multicast or plain.is_link_local_unicast)

    def __str__(self) -> str:
        if self.is4:
            return _dotted(self.number)
        zone = f"%{self.zone}" if self.zone else ""
        if self.is4in6:
            return f"::ffff:{_dotted(self.number & 0xFFFFFFFF)}{zone}"
        return _colons([self.number >> shift & 0xFFFF for shift in range(112, -16, -16)]) + zone


@dataclass(frozen=True, slots=True)
class Prefix:
    """An address and how many of its bits are the network; host bits are kept."""

    addr: Addr
    bits: int

    def masked(self) -> Prefix:
        """The same without host bits."""
        return replace(self, addr=_masked(self.addr, self.bits))

    def contains(self, addr: Addr) -> bool:
        """Whether an address of the same family and without zone is in the network."""
        return not addr.zone and self.addr.is4 == addr.is4 and _masked(addr, self.bits) == _masked(self.addr, self.bits)

    def overlaps(self, other: Prefix) -> bool:
        """Whether they share an address."""
        bits = min(self.bits, other.bits)
        return self.addr.is4 == other.addr.is4 and _masked(self.addr, bits) == _masked(other.addr, bits)

    def __str__(self) -> str:
        return f"{self.addr}/{self.bits}"


def _masked(addr: Addr, bits: int) -> Addr:
    host = addr.bits - bits
    return Addr(addr.number >> host << host, addr.is4)


def _dotted(number: int) -> str:
    return ".".join(str(number >> shift & 0xFF) for shift in (24, 16, 8, 0))


def _colons(groups: list[int]) -> str:
    start, length = 0, 1
    for first in range(8):
        last = first
        while last < 8 and groups[last] == 0:
            last += 1
        if last - first > length:
            start, length = first, last - first
    if length == 1:
        return ":".join(f"{group:x}" for group in groups)
    before, after = groups[:start], groups[start + length :]
    return f"{':'.join(f'{group:x}' for group in before)}::{':'.join(f'{group:x}' for group in after)}"


def _fault(text: str, message: str, at: str = "") -> ValueError:
    where = f" (at {go_quoted(at)})" if at else ""
    return ValueError(f"ParseAddr({go_quoted(text)}): {message}{where}")


def parse_addr(text: str) -> Addr:
    """netip.ParseAddr."""
    for sign in text:
        if sign == ".":
            return Addr(_parse_dotted(text, text), True)
        if sign == ":":
            return _parse_colons(text)
        if sign == "%":
            raise _fault(text, "missing IPv6 address")
    raise _fault(text, "unable to parse IP")


def parse_prefix(text: str) -> Prefix:
    """netip.ParsePrefix."""

    def fault(message: str) -> ValueError:
        return ValueError(f"netip.ParsePrefix({go_quoted(text)}): {message}")

    address, slash, digits = text.rpartition("/")
    if not slash:
        raise fault("no '/'")
    try:
        addr = parse_addr(address)
    except ValueError as error:
        raise fault(str(error)) from None
    if addr.zone:
        raise fault("IPv6 zones cannot be present in a prefix")
    bits = strconv.integer(digits) if len(digits) == 1 or "1" <= digits[:1] <= "9" else None
    if bits is None:
        raise fault(f"bad bits after slash: {go_quoted(digits)}")
    if not 0 <= bits <= addr.bits:
        raise fault("prefix length out of range")
    return Prefix(addr, bits)


def _parse_dotted(text: str, dotted: str) -> int:
    """The number of four octets. `text` is the whole input, for messages."""
    number = value = dots = digits = 0
    for position, sign in enumerate(dotted):
        if "0" <= sign <= "9":
            if digits == 1 and value == 0:
                raise _fault(text, "IPv4 field has octet with leading zero")
            value, digits = value * 10 + ord(sign) - 48, digits + 1
            if value > 255:
                raise _fault(text, "IPv4 field has value >255")
        elif sign == ".":
            if position == 0 or position == len(dotted) - 1 or dotted[position - 1] == ".":
                raise _fault(text, "IPv4 field must have at least one digit", dotted[position:])
            if dots == 3:
                raise _fault(text, "IPv4 address too long")
            number, value, dots, digits = number << 8 | value, 0, dots + 1, 0
        else:
            raise _fault(text, "unexpected character", dotted[position:])
    if dots < 3:
        raise _fault(text, "IPv4 address too short")
    return number << 8 | value


def _parse_colons(text: str) -> Addr:
    rest, percent, zone = text.partition("%")
    if percent and not zone:
        raise _fault(text, "zone must be a non-empty string")
    octets: list[int] = []
    ellipsis = -1
    if rest.startswith("::"):
        ellipsis, rest = 0, rest[2:]
        if not rest:
            return Addr(0, False, zone)
    while len(octets) < 16:
        width, group = _group(text, rest)
        if rest[width : width + 1] == ".":
            octets += _embedded(text, rest, len(octets), ellipsis)
            rest = ""
            break
        octets += (group >> 8, group & 0xFF)
        rest = rest[width:]
        if not rest:
            break
        if rest[0] != ":":
            raise _fault(text, "unexpected character, want colon", rest)
        if len(rest) == 1:
            raise _fault(text, "colon must be followed by more characters", rest)
        rest = rest[1:]
        if rest[0] == ":":
            if ellipsis >= 0:
                raise _fault(text, "multiple :: in address", rest)
            ellipsis, rest = len(octets), rest[1:]
            if not rest:
                break
    if rest:
        raise _fault(text, "trailing garbage after address", rest)
    return Addr(int.from_bytes(_filled(text, octets, ellipsis)), False, zone)


def _group(text: str, rest: str) -> tuple[int, int]:
    """Width and value of the hexadecimal digits at the start."""
    width = 0
    while width < len(rest) and rest[width] in "0123456789abcdefABCDEF":
        width += 1
        if width > 4:
            raise _fault(text, "each group must have 4 or less digits", rest)
    if not width:
        raise _fault(text, "each colon-separated field must have at least one digit", rest)
    return width, strconv.hexadecimal(rest[:width]) or 0


def _embedded(text: str, rest: str, filled: int, ellipsis: int) -> tuple[int, int, int, int]:
    if ellipsis < 0 and filled != 12:
        raise _fault(text, "embedded IPv4 address must replace the final 2 fields of the address", rest)
    if filled + 4 > 16:
        raise _fault(text, "too many hex fields to fit an embedded IPv4 at the end of the address", rest)
    number = _parse_dotted(text, rest)
    return number >> 24, number >> 16 & 0xFF, number >> 8 & 0xFF, number & 0xFF


def _filled(text: str, octets: list[int], ellipsis: int) -> bytes:
    if len(octets) < 16:
        if ellipsis < 0:
            raise _fault(text, "address string too short")
        return bytes((*octets[:ellipsis], *bytes(16 - len(octets)), *octets[ellipsis:]))
    if ellipsis >= 0:
        raise _fault(text, "the :: must expand to at least one field of zeros")
    return bytes(octets)
