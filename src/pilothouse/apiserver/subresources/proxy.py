"""pods/proxy, services/proxy and nodes/proxy: HTTP to a pod, to one ready endpoint of a service, to a kubelet.

The name in the path may say more than the name: `[scheme:]name[:port]`.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from pilothouse.api import wellknown
from pilothouse.api.core.connectoptions import NodeProxyOptions, PodProxyOptions, ServiceProxyOptions
from pilothouse.api.types.core_v1 import Pod, Service
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointSlice
from pilothouse.apiserver.http.connect import Connect
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming.forward import Backend, forward, prefix_and_rest
from pilothouse.apiserver.http.streaming.kubelets import kubelet_on, must_be_real, reader
from pilothouse.client import dialing
from pilothouse.client.call import Options
from pilothouse.machinery import errors, labels, strconv
from pilothouse.machinery.quoting import go_quoted

HTTP_PORT = 80
HTTPS_PORT = 443


def split(text: str, kind: str) -> tuple[str, str, str]:
    """Scheme, name and port of `[scheme:]name[:port]`; 400 for what is none."""
    parts = text.split(":")
    if len(parts) < 3:
        parts = ["", *parts, *[""] * (2 - len(parts))]
    if len(parts) != 3 or parts[0] not in ("", "http", "https") or not parts[1]:
        raise errors.bad_request(f"invalid {kind} request {go_quoted(text)}")
    return parts[0], parts[1], parts[2]


async def proxy_pod(request: Request, options: PodProxyOptions) -> Response:
    """Proxy to the pod's address, and the port in the name or else the first that the pod declares.

    Raises a 400 for an address that is not allowed.
    """
    scheme, name, port = split(request.info.name, "pod")
    pod = await reader(request.api).get(Pod, name, request.info.namespace)
    host = allowed(request, pod.status.podIP)
    number = pod_port(pod, port)
    await must_be_real(request.api, pod.spec.nodeName)
    return await forward(request, Backend(scheme or "http", host, number))


def allowed(request: Request, address: str) -> str:
    """The address in its plain form; 400 when nobody may be sent there."""
    try:
        return str(dialing.check(dialing.parse_address(address), request.api.dialable))
    except dialing.NotAllowed as problem:
        raise errors.bad_request(str(problem)) from problem


def port_number(text: str) -> int:
    """A port of the path; 503 as upstream, which finds out when it dials."""
    number = strconv.integer(text, range(1, 65536))
    if number is None:
        raise errors.unavailable(f"error trying to reach service: dial tcp: address {text}: invalid port")
    return number


def pod_port(pod: Pod, text: str) -> int:
    """The port by number or name, or without either the first that the pod declares."""
    ports = [port for container in pod.spec.containers for port in container.ports]
    if not text:
        return ports[0].containerPort if ports else HTTP_PORT
    named = next((port.containerPort for port in ports if port.name == text), None)
    if named is not None:
        return named
    if strconv.integer(text) is None and not strconv.WHOLE.fullmatch(text):
        raise errors.bad_request(f"invalid port {go_quoted(text)}")
    return port_number(text)


async def proxy_service(request: Request, options: ServiceProxyOptions) -> Response:
    """Proxy to a random ready endpoint of a Service. Raises a 503 when there is none."""
    scheme, name, port = split(request.info.name, "service")
    client, namespace = reader(request.api), request.info.namespace
    number = strconv.integer(port)
    if number is not None:
        service = await client.get(Service, name, namespace)
        port = port_name(service, number)
    selecting = Options(label_selector=str(labels.match_labels({wellknown.SERVICE_NAME: name})))
    slices = (await client.list(EndpointSlice, namespace, options=selecting)).items
    candidates = ready_endpoints(slices, port)
    request.api.entropy.random.shuffle(candidates)
    for endpoint, number in candidates:
        if await is_of_pod(request, endpoint):
            host = allowed(request, first_address(endpoint))
            await must_be_real(request.api, endpoint.nodeName or "")
            return await forward(request, Backend(scheme or "http", host, number))
    raise errors.unavailable(f'no endpoints available for service "{name}"')


def port_name(service: Service, number: int) -> str:
    """The name of the service's port of that number; 503 when there is none."""
    for port in service.spec.ports:
        if port.port == number:
            return port.name
    raise errors.unavailable(f'no service port {number} found for service "{service.metadata.name}"')


def ready_endpoints(slices: list[EndpointSlice], wanted: str) -> list[tuple[Endpoint, int]]:
    """Every endpoint that takes traffic for the service's port of that name, with its port's number."""
    candidates: list[tuple[Endpoint, int]] = []
    for endpoints in slices:
        number = next((port.port for port in endpoints.ports or () if (port.name or "") == wanted and port.port), None)
        if number is not None:
            ready = (each for each in endpoints.endpoints or () if each.conditions.ready is not False)
            candidates += [(endpoint, number) for endpoint in ready if endpoint.addresses]
    return candidates


def first_address(endpoint: Endpoint) -> str:
    """The address that a proxy dials; "" where there is none."""
    return endpoint.addresses[0] if endpoint.addresses else ""


async def is_of_pod(request: Request, endpoint: Endpoint) -> bool:
    """Whether the endpoint is a pod of the request's namespace at one of its own addresses: anybody may write an EndpointSlice."""
    target = endpoint.targetRef
    if target is None or target.namespace != request.info.namespace:
        return False
    try:
        pod = await reader(request.api).get(Pod, target.name, target.namespace)
    except errors.StatusError:
        return False
    return first_address(endpoint) in (pod.status.podIP, *(each.ip for each in pod.status.podIPs))


async def proxy_node(request: Request, options: NodeProxyOptions) -> Response:
    """Proxy to a node's kubelet, or to another port of the node that the name gives."""
    scheme, name, port = split(request.info.name, "node")
    kubelet = await kubelet_on(request.api, name)
    parts = urlsplit(kubelet.base)
    host = parts.hostname or ""
    if name not in request.api.kubelet_urls:
        host = await resolved(request, host)
    if port and port != str(parts.port):
        await must_be_real(request.api, name)
        return await forward(request, Backend(scheme or "http", host, port_number(port)))
    return await forward(request, Backend(parts.scheme, host, parts.port or HTTPS_PORT, kubelet.tls, parts.hostname or ""))


async def resolved(request: Request, host: str) -> str:
    """An address of `host` to which this server may connect. Raises a 400 when it may not."""
    try:
        return str(await dialing.resolve(host, request.api.dialable))
    except dialing.NotAllowed as problem:
        raise errors.bad_request(str(problem)) from problem


def proxied_path(request: Request) -> str:
    """The path behind the proxy, as admission sees it."""
    _, rest = prefix_and_rest(request)
    return unquote(rest)


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
POD_PROXY = Connect(("pods",), "proxy", proxy_pod, METHODS, lambda request: PodProxyOptions(path=proxied_path(request)))
SERVICE_PROXY = Connect(("services",), "proxy", proxy_service, METHODS, lambda request: ServiceProxyOptions(path=proxied_path(request)))
NODE_PROXY = Connect(("nodes",), "proxy", proxy_node, METHODS, lambda request: NodeProxyOptions(path=proxied_path(request)))
