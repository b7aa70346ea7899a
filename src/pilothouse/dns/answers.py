"""Answers to DNS questions by the Kubernetes DNS specification 1.1.0. Pure.

- A name that does not exist is NXDOMAIN, one that exists without the type asked for is NODATA; both carry the SOA.
- None means that the name is not ours: somebody else may be asked, or nobody.
- A headless Service without ready endpoints does not exist, as CoreDNS has it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from pilothouse.dns.wire import (
    AAAA,
    CNAME,
    NS,
    NXDOMAIN,
    PTR,
    SOA,
    SRV,
    TXT,
    A,
    Answer,
    Record,
    address_record,
    soa_record,
    srv_record,
    txt_record,
)
from pilothouse.dns.zone import Entry, PortRecord, Zone

VERSION = "1.1.0"
"""Of the specification: what `dns-version` answers."""
ALIASES_LIMIT = 8
V4_SUFFIX, V6_SUFFIX = ".in-addr.arpa", ".ip6.arpa"
REVERSE_ZONES = (V4_SUFFIX[1:], V6_SUFFIX[1:])
"""As CoreDNS is told to serve them: a denial bears the start of authority of the zone that its name is in."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Authority:
    """Answers for one cluster domain and the reverse zones of the cluster's own ranges."""

    def __init__(self, zone: Zone, domain: str, ranges: Sequence[str] = (), ttl: int = 5, server_addresses: Sequence[str] = ()) -> None:
        self._zone = zone
        self._domain = domain.strip(".").lower()
        self._suffix = "." + self._domain
        self._ranges: list[Network] = [ipaddress.ip_network(network) for network in ranges]
        self._ttl = ttl
        self._server_addresses = tuple(server_addresses)

    def answer(self, name: str, type_: int) -> Answer | None:
        """The answer to a question (name in lower case, without the final dot); None when it is not ours to answer."""
        if name == self._domain:
            return self._apex(type_)
        if name.endswith(self._suffix):
            return self._inside(name, name[: -len(self._suffix)].split("."), type_)
        if name.endswith((V4_SUFFIX, V6_SUFFIX)):
            return self._reverse(name, type_)
        return None

    def is_inside(self, name: str) -> bool:
        """Whether the name is the cluster domain or below it."""
        return name == self._domain or name.endswith(self._suffix)

    # The parts of the zone

    def _apex(self, type_: int) -> Answer:
        if type_ == SOA:
            return Answer(answers=[self._soa(self._domain)])
        if type_ == NS:
            server = f"ns.dns{self._suffix}"
            beside = self._addresses(server, self._server_addresses)
            return Answer(answers=[Record(self._domain, NS, self._ttl, target=server)], additional=beside)
        return self._no_data()

    def _inside(self, name: str, labels: list[str], type_: int) -> Answer:
        match labels:
            case ["dns-version"]:
                return self._typed([txt_record(name, VERSION, self._ttl)], type_, TXT)
            case ["svc"] | ["pod"] | ["dns"]:
                return self._no_data()
            case ["ns", "dns"]:
                return self._of_addresses(name, self._server_addresses, type_)
            case [namespace, "svc" | "pod"]:
                return self._no_data() if self._zone.has_namespace(namespace) else self._no_name()
            case [address, namespace, "pod"]:
                return self._pod(name, address, namespace, type_)
            case [*below, service, namespace, "svc"]:
                entry = self._zone.entry(namespace, service)
                base = f"{service}.{namespace}.svc{self._suffix}"
                return self._no_name() if entry is None else self._service(name, below, base, entry, type_)
        return self._no_name()

    def _service(self, name: str, below: list[str], base: str, entry: Entry, type_: int) -> Answer:
        if entry.external_name:
            return self._no_name() if below else self._alias(name, entry.external_name)
        match below:
            case []:
                if not entry.addresses:
                    return self._no_name()
                if type_ == SRV:
                    return self._ports(name, base, entry, entry.ports)
                return self._of_addresses(name, entry.addresses, type_)
            case [protocol] if protocol.startswith("_"):
                known = any(port.protocol == protocol[1:] for port in entry.ports)
                return self._no_data() if known else self._no_name()
            case [host]:
                return self._of_addresses(name, entry.hosts[host], type_) if host in entry.hosts else self._no_name()
            case [port, protocol] if port.startswith("_") and protocol.startswith("_"):
                ports = [entry_port for entry_port in entry.ports if (entry_port.name, entry_port.protocol) == (port[1:], protocol[1:])]
                if not ports:
                    return self._no_name()
                return self._ports(name, base, entry, ports) if type_ == SRV else self._no_data()
        return self._no_name()

    def _ports(self, name: str, base: str, entry: Entry, ports: Sequence[PortRecord]) -> Answer:
        """SRV records, and beside them the addresses of their targets."""
        named = [port for port in ports if port.name or len(ports) == 1 or port.host]
        weight = max(100 // max(len(named), 1), 1)
        targets: dict[str, tuple[str, ...]] = {}
        records = []
        for port in named:
            target = f"{port.host}.{base}" if port.host else base
            targets[target] = entry.hosts.get(port.host, ()) if port.host else entry.addresses
            records.append(srv_record(name, target, port.port, weight, self._ttl))
        beside = [record for target, addresses in targets.items() for record in self._addresses(target, addresses)]
        return Answer(answers=records, additional=beside) if records else self._no_data()

    def _pod(self, name: str, label: str, namespace: str, type_: int) -> Answer:
        """Any address answers by its own dashed name, as long as the namespace exists (CoreDNS: `pods insecure`)."""
        address = dashed_address(label)
        if address is None or not self._zone.has_namespace(namespace):
            return self._no_name()
        return self._of_addresses(name, [address], type_)

    def _alias(self, name: str, target: str) -> Answer:
        """A CNAME and, when it leads into the cluster, what it leads to; what lies outside is the caller's to add."""
        return Answer(answers=[Record(name, CNAME, self._ttl, target=target)])

    def follow(self, answer: Answer, type_: int) -> str:
        """Add what an answer's last CNAME leads to within the cluster. Gives the name that lies outside, if it ends there."""
        if type_ == CNAME:
            return ""
        for _ in range(ALIASES_LIMIT):
            if not answer.answers or answer.answers[-1].type != CNAME:
                return ""
            target = answer.answers[-1].target
            if not self.is_inside(target):
                return target
            more = self.answer(target, type_)
            assert more is not None
            answer.answers += more.answers
            answer.authority = more.authority
            if not more.answers:
                answer.code = more.code
                return ""
        return ""

    def _reverse(self, name: str, type_: int) -> Answer | None:
        address = reverse_address(name)
        if address is None:
            return self._no_name(name) if name in REVERSE_ZONES else None
        services = list(self._zone.reverse(address))
        zone = next(suffix for suffix in REVERSE_ZONES if name.endswith(suffix))
        if not services:
            return self._no_name(zone) if self._is_ours(address) else None
        records = []
        for (namespace, service), host in services:
            target = f"{service}.{namespace}.svc{self._suffix}"
            records.append(Record(name, PTR, self._ttl, target=f"{host}.{target}" if host else target))
        return Answer(answers=records) if type_ == PTR else self._no_data(zone)

    def _is_ours(self, address: str) -> bool:
        return any(ipaddress.ip_address(address) in network for network in self._ranges)

    # Forms of answers

    def _of_addresses(self, name: str, addresses: Iterable[str], type_: int) -> Answer:
        wanted = [record for record in self._addresses(name, addresses) if record.type == type_]
        return Answer(answers=wanted) if wanted and type_ in (A, AAAA) else self._no_data()

    def _addresses(self, name: str, addresses: Iterable[str]) -> list[Record]:
        return [address_record(name, address, self._ttl) for address in addresses]

    def _typed(self, records: list[Record], asked: int, type_: int) -> Answer:
        return Answer(answers=records) if asked == type_ else self._no_data()

    def _no_data(self, zone: str = "") -> Answer:
        return Answer(authority=[self._soa(zone or self._domain)])

    def _no_name(self, zone: str = "") -> Answer:
        return Answer(NXDOMAIN, authority=[self._soa(zone or self._domain)])

    def _soa(self, zone: str) -> Record:
        return soa_record(zone, self._zone.serial, self._ttl)


def dashed_address(label: str) -> str | None:
    """`10-244-0-5` -> `10.244.0.5`; an IPv6 address has its colons as dashes."""
    for separator in (".", ":"):
        try:
            return str(ipaddress.ip_address(label.replace("-", separator)))
        except ValueError:
            continue
    return None


def reverse_address(name: str) -> str | None:
    """Address of a name below in-addr.arpa or ip6.arpa; None when it is incomplete."""
    try:
        if name.endswith(V4_SUFFIX):
            parts = name[: -len(V4_SUFFIX)].split(".")
            return str(ipaddress.IPv4Address(".".join(reversed(parts)))) if len(parts) == 4 else None
        digits = name[: -len(V6_SUFFIX)].split(".")
        if len(digits) != 32 or any(len(digit) != 1 for digit in digits):
            return None
        return str(ipaddress.IPv6Address(int("".join(reversed(digits)), 16)))
    except ValueError:
        return None
