"""Settings of the API server that concern objects."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from pilothouse.apiserver.auth.requestheader import STANDARD, RequestHeaders

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Settings:
    """`service_ranges`: one CIDR, or one of each IP family; the first is the default family. `node_ports` is the range of node
    ports, both ends included. The Service `kubernetes` leads to `api_addresses` at `api_port`; without addresses it leads nowhere."""

    service_ranges: tuple[str, ...] = ("10.96.0.0/16",)
    node_ports: tuple[int, int] = (30000, 32767)
    api_addresses: tuple[str, ...] = ()
    api_port: int = 6443
    client_ca: str = ""
    """The PEM of the CA of clients' certificates: told to extension API servers by a ConfigMap of kube-system."""
    front_proxy_ca: str = ""
    """The PEM of the CA of this server's own client certificate towards them: who shows one of these may say for whom it asks."""
    compaction_seconds: float = 300.0
    """Of a store that API servers share: how often it is compacted, and how long its past stays at least; 0: by others. Upstream's
    --etcd-compaction-interval."""
    request_headers: RequestHeaders = STANDARD
    """Which of its headers are believed, and under which names of certificates."""

    @property
    def service_networks(self) -> tuple[Network, ...]:
        """The Service ranges, parsed. Raises ValueError for what is no CIDR."""
        return tuple(ipaddress.ip_network(cidr) for cidr in self.service_ranges)
