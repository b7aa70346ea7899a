"""Address of a Pod's kubelet, its TLS, and the container that a request means."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlencode

from pilothouse.api.types.core_v1 import Node, Pod
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.http.context import ApiContext, KubeletClient
from pilothouse.apiserver.http.request import Request
from pilothouse.client.client import Client
from pilothouse.client.neterrors import why
from pilothouse.client.streaming.upgrade import PROTOCOL_HEADER, Upgraded, upgrade
from pilothouse.kit.clock import wait_for
from pilothouse.machinery import errors
from pilothouse.machinery.errors import StatusError

ADDRESS_TYPES = ("InternalIP", "ExternalIP", "Hostname")
"""In the order of preference; names come last: nothing promises that they resolve."""
CONTEXTS_KEPT = 8
DIAL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Kubelet:
    """Base URL and TLS of one kubelet's server."""

    base: str
    tls: ssl.SSLContext | None

    def url(self, *segments: str, query: list[tuple[str, str]] | None = None) -> str:
        """A URL on this kubelet; segments of the path are escaped."""
        path = "/".join(quote(segment, safe="") for segment in segments)
        return f"{self.base}/{path}{'?' + urlencode(query) if query else ''}"


def reader(api: ApiContext) -> Client:
    """Client for lookups by the server itself; the chain has checked the user's permission for the subresource."""
    return Client(api.registry.transport(ADMIN))


async def pod_of(request: Request) -> Pod:
    """The pod that the request is about."""
    return await reader(request.api).get(Pod, request.info.name, request.info.namespace)


def container_of(pod: Pod, wanted: str) -> str:
    """The container by name, or the only one. Raises upstream's 400."""
    name = pod.metadata.name
    spec = pod.spec
    main, init = [container.name for container in spec.containers], [container.name for container in spec.initContainers]
    if wanted:
        if wanted not in (*main, *init, *(container.name for container in spec.ephemeralContainers)):
            raise errors.bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(main) == 1:
        return main[0]
    text = f"a container name must be specified for pod {name}"
    if main:
        text += f", choose one of: [{' '.join(main)}]"
        if init:
            text += f" or one of the init containers: [{' '.join(init)}]"
    raise errors.bad_request(text)


async def kubelet_of(request: Request, pod: Pod) -> Kubelet:
    """The kubelet that runs `pod`; 400 when it has no node yet."""
    if not pod.spec.nodeName:
        raise errors.bad_request(f"pod {pod.metadata.name} does not have a host assigned")
    try:
        return await kubelet_on(request.api, pod.spec.nodeName)
    except StatusError as error:
        if error.reason == "NotFound":  # upstream names the resource of the request
            raise errors.not_found("pods", "", pod.spec.nodeName) from error
        raise


async def kubelet_on(api: ApiContext, node_name: str) -> Kubelet:
    """The kubelet of a node, by the node's addresses and port in its status.

    Raises a 404 for a missing node, a 500 for one without a kubelet's port.
    """
    if node_name in api.kubelet_urls:
        return Kubelet(api.kubelet_urls[node_name], None)
    node = await reader(api).get(Node, node_name)
    endpoint = node.status.daemonEndpoints.kubeletEndpoint
    if not endpoint.Port:
        raise errors.internal_error(f"node {node_name} has no kubelet that serves streams")
    host = address_of(node)
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if api.kubelet_client is not None else "http"
    return Kubelet(f"{scheme}://{shown}:{endpoint.Port}", tls_of(api.kubelet_client))


async def must_be_real(api: ApiContext, node_name: str) -> None:
    """Raise a 503 for Pods on a simulated node, which has no kubelet to connect to."""
    if not node_name:
        return
    node = await reader(api).get(Node, node_name)
    if not node.status.daemonEndpoints.kubeletEndpoint.Port:
        raise errors.unavailable(f"error trying to reach service: node {node_name} has no network")


def address_of(node: Node) -> str:
    """The node's address for its kubelet, by upstream's preferred address types. Raises a 500 when it has none."""
    for kind in ADDRESS_TYPES:
        for address in node.status.addresses:
            if address.type == kind:
                return address.address
    raise errors.internal_error("no preferred addresses found; known addresses: []")


@lru_cache(maxsize=CONTEXTS_KEPT)
def tls_of(client: KubeletClient | None) -> ssl.SSLContext | None:
    """TLS with the server's client certificate, trusting only the cluster's CA."""
    if client is None:
        return None
    context = ssl.create_default_context(cafile=client.ca_file)
    context.load_cert_chain(client.certificate_file, client.key_file)
    return context


async def reach(request: Request, kubelet: Kubelet, url: str, protocols: Iterable[str]) -> Upgraded:
    """A SPDY connection to the kubelet, offering these stream protocols. UpgradeRefused with its answer; StatusError when it
    cannot be reached within DIAL_SECONDS."""
    offered = [(PROTOCOL_HEADER, protocol) for protocol in protocols]
    try:
        return await wait_for(request.api.clock, upgrade(url, offered, tls=kubelet.tls), DIAL_SECONDS)
    except TimeoutError as error:
        raise dialing_failed(error, url) from error
    except OSError as error:
        raise dialing_failed(error, url) from error


def dialing_failed(error: Exception, url: str) -> StatusError:
    """Upstream's words for a backend that cannot be reached."""
    return errors.failure(500, "InternalError", f"error dialing backend: {why(error, url)}")


def flag(request: Request, name: str) -> bool:
    """A boolean of the query, as Go reads it: there, and neither false nor 0."""
    values = request.query.get(name) if request.query_string else None
    return bool(values) and values is not None and values[0].lower() not in ("false", "0")
