"""The two Services that lead to the cluster itself: `kubernetes` (the API) and `kube-dns`; made again when something differs.

Neither has a selector: their endpoints are the node's own address, written here. The EndpointSlices are written too, and
the Endpoints say that they are not to be mirrored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.types import core_v1, discovery_v1
from pilothouse.client.client import Client
from pilothouse.cluster.state import ClusterState
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta

API_PORT = 6443
"""Of the API on the node's address."""
SKIP_MIRROR = {"endpointslice.kubernetes.io/skip-mirror": "true"}
Port = tuple[str, str, int, int]
"""Name, protocol, port, target port."""


async def ensure(client: Client, state: ClusterState) -> None:
    """Create what is missing; correct Endpoints and EndpointSlices that lead elsewhere. StatusError when the API refuses."""
    for obj in wanted(state):
        try:
            existing = await client.get(type(obj), obj.metadata.name, obj.metadata.namespace)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
            await client.create(obj)
            continue
        if not isinstance(obj, core_v1.Service) and _leads_to(existing) != _leads_to(obj):
            obj.metadata.resourceVersion = existing.metadata.resourceVersion
            await client.update(obj)


def wanted(state: ClusterState) -> Iterator[Any]:
    """Services first: their addresses are asked for by name."""
    yield from leading(
        "kubernetes",
        "default",
        state.kubernetes_service,
        state.node_address,
        [("https", "TCP", 443, API_PORT)],
        {"component": "apiserver", "provider": "kubernetes"},
    )
    yield from leading(
        "kube-dns",
        "kube-system",
        state.dns_service,
        state.node_address,
        [("dns", "UDP", 53, 53), ("dns-tcp", "TCP", 53, 53)],
        {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"},
    )


def leading(name: str, namespace: str, cluster_ip: str, address: str, ports: list[Port], labels: dict[str, str]) -> Iterator[Any]:
    """A Service without a selector, and the Endpoints and EndpointSlice that lead it to `address`."""
    yield core_v1.Service(
        metadata=ObjectMeta(name=name, namespace=namespace, labels=labels),
        spec=core_v1.ServiceSpec(
            clusterIP=cluster_ip,
            type="ClusterIP",
            ports=[
                core_v1.ServicePort(name=port_name, protocol=protocol, port=port, targetPort=to) for port_name, protocol, port, to in ports
            ],
        ),
    )
    yield core_v1.Endpoints(
        metadata=ObjectMeta(name=name, namespace=namespace, labels=dict(SKIP_MIRROR)),
        subsets=[
            core_v1.EndpointSubset(
                addresses=[core_v1.EndpointAddress(ip=address)],
                ports=[core_v1.EndpointPort(name=port_name, protocol=protocol, port=to) for port_name, protocol, _, to in ports],
            )
        ],
    )
    yield discovery_v1.EndpointSlice(
        metadata=ObjectMeta(name=name, namespace=namespace, labels={wellknown.SERVICE_NAME: name}),
        addressType="IPv4",
        endpoints=[discovery_v1.Endpoint(addresses=[address], conditions=discovery_v1.EndpointConditions(ready=True))],
        ports=[discovery_v1.EndpointPort(name=port_name, protocol=protocol, port=to) for port_name, protocol, _, to in ports],
    )


def _leads_to(obj: Any) -> set[str]:
    if isinstance(obj, core_v1.Endpoints):
        return {address.ip for subset in obj.subsets for address in subset.addresses}
    return {address for endpoint in obj.endpoints for address in endpoint.addresses} if hasattr(obj, "endpoints") else set()
