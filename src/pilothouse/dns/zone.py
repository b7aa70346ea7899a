"""Index of the cluster domain's names, kept up to date from Services, EndpointSlices and Namespaces.

- One entry a Service, replaced as a whole when the Service or one of its slices changes; nothing else is touched.
- Names are not stored but found by their structure (answers.py), so an entry costs the same whatever it can be asked by.
- Reverse names: ClusterIPs lead to their Service, ready endpoints of headless Services to their own names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pilothouse.api.types.core_v1 import Service
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointSlice

Name = tuple[str, str]
"""(namespace, service)"""
LABEL_LIMIT = 63
"""Of DNS itself. The API takes an externalName with longer labels; such a name has no form on the wire."""


@dataclass(frozen=True, slots=True)
class PortRecord:
    """A named (or unnamed: "") port, of the Service or, with `host`, of one endpoint."""

    name: str
    protocol: str
    port: int
    host: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A Service: its addresses (the endpoints' when headless), its ports, its endpoints by host name, or the name it stands for."""

    addresses: tuple[str, ...] = ()
    ports: tuple[PortRecord, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headless: bool = False
    external_name: str = ""
    reverse: tuple[tuple[str, str], ...] = ()
    """(address, host name below the Service, or "" for the Service itself)"""


class Zone:
    """Index of the cluster domain: Services by namespace and name, names by address."""

    def __init__(self) -> None:
        self.namespaces: set[str] = set()
        self.serial = 1
        self._entries: dict[Name, Entry] = {}
        self._reverse: dict[str, dict[tuple[Name, str], None]] = {}

    def entry(self, namespace: str, service: str) -> Entry | None:
        """The Service of this name, or None."""
        return self._entries.get((namespace, service))

    def reverse(self, address: str) -> Iterable[tuple[Name, str]]:
        """Services and host names of an address: ((namespace, service), host name or "")."""
        return self._reverse.get(address, ())

    def has_namespace(self, namespace: str) -> bool:
        """Whether the namespace exists."""
        return namespace in self.namespaces

    def put(self, name: Name, entry: Entry | None) -> None:
        """Replace what is known of a Service; None when it is gone."""
        old = self._entries.pop(name, None)
        if old == entry:
            if old is not None:
                self._entries[name] = old
            return
        self.serial += 1
        for address, host in old.reverse if old else ():
            claims = self._reverse[address]
            claims.pop((name, host), None)
            if not claims:
                del self._reverse[address]
        if entry is None:
            return
        self._entries[name] = entry
        for address, host in entry.reverse:
            self._reverse.setdefault(address, {})[name, host] = None


def entry_of(service: Service, slices: Iterable[EndpointSlice]) -> Entry:
    """The entry of a Service and its slices; pure."""
    spec = service.spec
    if spec.type == "ExternalName":
        name = spec.externalName.rstrip(".").lower()
        return Entry(external_name=name if all(len(label) <= LABEL_LIMIT for label in name.split(".")) else "")
    usable = [slice_ for slice_ in slices if slice_.addressType in ("IPv4", "IPv6")]
    hosts = hosts_of(usable)
    if spec.clusterIP == "None":
        ports = tuple(dict.fromkeys(endpoint_ports(usable)))
        addresses = tuple(dict.fromkeys(address for addresses in hosts.values() for address in addresses))
        reverse = tuple((address, host) for host, addresses in hosts.items() for address in addresses)
        return Entry(addresses, ports, hosts, headless=True, reverse=reverse)
    addresses = tuple(cluster_ip for cluster_ip in (spec.clusterIPs or [spec.clusterIP]) if cluster_ip)
    ports = tuple(PortRecord((port.name or "").lower(), (port.protocol or "TCP").lower(), port.port) for port in spec.ports)
    return Entry(addresses, ports, hosts, reverse=tuple((address, "") for address in addresses))


def hosts_of(slices: Iterable[EndpointSlice]) -> dict[str, tuple[str, ...]]:
    """The ready endpoints by host name, in a stable order."""
    by_host: dict[str, dict[str, None]] = {}
    for slice_ in slices:
        for endpoint in slice_.endpoints or ():
            if is_ready(endpoint):
                for address in endpoint.addresses or ():
                    by_host.setdefault(host_of(endpoint, address), {})[address] = None
    return {host: tuple(sorted(by_host[host])) for host in sorted(by_host)}


def endpoint_ports(slices: Iterable[EndpointSlice]) -> Iterable[PortRecord]:
    """The named ports of a headless Service: one for each ready endpoint of each slice."""
    for slice_ in slices:
        for port in slice_.ports or ():
            for endpoint in (slice_.endpoints or ()) if port.port else ():
                if is_ready(endpoint):
                    for address in endpoint.addresses or ():
                        yield PortRecord(
                            (port.name or "").lower(), (port.protocol or "TCP").lower(), port.port or 0, host_of(endpoint, address)
                        )


def host_of(endpoint: Endpoint, address: str) -> str:
    """An endpoint's label: the Pod's hostname where it has a subdomain, else its address with dashes."""
    return (endpoint.hostname or "").lower() or address.replace(".", "-").replace(":", "-")


def is_ready(endpoint: Endpoint) -> bool:
    """Whether the endpoint is ready; an unknown state counts as ready."""
    return endpoint.conditions.ready is not False
