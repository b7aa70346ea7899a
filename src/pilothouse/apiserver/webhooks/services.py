"""Address at which a Service is called: its ClusterIP, as kube-apiserver does without aggregator routing. Pure.

The API server dials from where it stands. On a node that is the node's own network, where the service proxy's rules lead a ClusterIP to a
ready Pod. In a simulated cluster nobody answers at a ClusterIP; there, and only there, a program of the tests may answer for a Service:
whoever runs the cluster says for which and where (`local`). It cannot be said through the API.
"""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.types import core_v1
from pilothouse.apiserver.webhooks.endpoint import Service
from pilothouse.apiserver.webhooks.failure import CallFailed

Address = tuple[str, int]
ROUTED = ("ClusterIP", "LoadBalancer", "NodePort")


def address_of(wanted: Service, service: core_v1.Service | None, local: Mapping[tuple[str, str], Address]) -> Address:
    """Host and port to dial for `wanted`; `service` is the object, None when there is none. CallFailed in upstream's words.

    `local` are the addresses of Services that programs of the tests answer for, by namespace and name.
    """
    if service is None:
        raise CallFailed(f'service "{wanted.name}" not found')
    spec = service.spec
    if spec.type == "ExternalName":
        return spec.externalName, wanted.port
    if spec.type not in ROUTED:
        raise CallFailed(f'unsupported service type "{spec.type}"')
    here = local.get((wanted.namespace, wanted.name))
    if here is None and spec.type == "ClusterIP" and spec.clusterIP == "None":
        raise CallFailed('cannot route to service with ClusterIP "None"')
    if not any(port.port == wanted.port for port in spec.ports):
        raise CallFailed(f'no service port {wanted.port} found for service "{wanted.name}"')
    return here or (spec.clusterIP, wanted.port)
