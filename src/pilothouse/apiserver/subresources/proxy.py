"""pods/proxy, services/proxy and nodes/proxy: HTTP to a pod, to one ready endpoint of a service, to a kubelet.

The name in the path may say more than the name: `[scheme:]name[:port]`.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from pilothouse.api.types.core_v1 import Pod, Service, ServicePort
from pilothouse.api.types.discovery_v1 import EndpointSlice
from pilothouse.apiserver.http.connect import Connect
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming.forward import Backend, forbid_special, forward
from pilothouse.apiserver.http.streaming.kubelets import kubelet_on, must_be_real, reader
from pilothouse.client.call import Options
from pilothouse.machinery import errors

HTTP_PORT = 80
HTTPS_PORT = 443
SERVICE_NAME = "kubernetes.io/service-name"


def split(text: str) -> tuple[str, str, str]:
    """Scheme, name and port of `[scheme:]name[:port]`; 400 for what is none."""
    parts = text.split(":")
    if len(parts) == 3 and parts[0] in ("", "http", "https"):
        return parts[0], parts[1], parts[2]
    if len(parts) == 2:
        return "", parts[0], parts[1]
    if len(parts) == 1:
        return "", text, ""
    raise errors.bad_request(f'invalid request "{text}"')


async def proxy_pod(request: Request) -> Response:
    scheme, name, port = split(request.info.name)
    pod = await reader(request.api).get(Pod, name, request.info.namespace)
    number = int(port) if port.isdigit() else pod_port(pod, port)
    if not pod.status.podIP:
        raise errors.bad_request("address not allowed")
    forbid_special(pod.status.podIP)
    await must_be_real(request.api, pod.spec.nodeName)
    return await forward(request, Backend(scheme or "http", pod.status.podIP, number))


def pod_port(pod: Pod, name: str) -> int:
    """The named port, or without a name the first that the pod declares."""
    ports = [port for one in pod.spec.containers for port in one.ports]
    found = next((one.containerPort for one in ports if not name or one.name == name), None)
    if found is None and name:
        raise errors.bad_request(f'invalid port "{name}"')
    return found or HTTP_PORT


async def proxy_service(request: Request) -> Response:
    scheme, name, port = split(request.info.name)
    client = reader(request.api)
    service = await client.get(Service, name, request.info.namespace)
    wanted = service_port(service, port)
    options = Options(label_selector=f"{SERVICE_NAME}={name}")
    slices = (await client.list(EndpointSlice, request.info.namespace, options=options)).items
    found = ready_endpoints(slices, wanted)
    if not found:
        raise errors.unavailable(f'no endpoints available for service "{name}"')
    dice = request.api.entropy.random
    host, number, node = dice.choice(found)
    forbid_special(host)
    await must_be_real(request.api, node)
    return await forward(request, Backend(scheme or "http", host, number))


def service_port(service: Service, wanted: str) -> ServicePort:
    """The port by name or number; without either the only one."""
    ports = service.spec.ports
    if not wanted and len(ports) == 1:
        return ports[0]
    for one in ports:
        if wanted and wanted in (one.name, str(one.port)):
            return one
    raise errors.unavailable(f'no service port "{wanted}" found for service "{service.metadata.name}"')


def ready_endpoints(slices: list[EndpointSlice], wanted: ServicePort) -> list[tuple[str, int, str]]:
    """Address, port and node of every endpoint that takes traffic for the service's port."""
    found: list[tuple[str, int, str]] = []
    for one in slices:
        number = next((port.port for port in one.ports if port.name == wanted.name and port.port), None)
        if number is not None:
            ready = (end for end in one.endpoints if end.conditions is None or end.conditions.ready is not False)
            found += [(end.addresses[0], number, end.nodeName) for end in ready if end.addresses]
    return found


async def proxy_node(request: Request) -> Response:
    scheme, name, port = split(request.info.name)
    kubelet = await kubelet_on(request.api, name)
    parts = urlsplit(kubelet.base)
    backend = Backend(parts.scheme, parts.hostname or "", parts.port or HTTPS_PORT, kubelet.tls)
    if port.isdigit() and int(port) != parts.port:
        await must_be_real(request.api, name)
        backend = replace(backend, scheme=scheme or "http", port=int(port), tls=None)
    return await forward(request, backend)


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
POD_PROXY = Connect(("pods",), "proxy", proxy_pod, METHODS)
SERVICE_PROXY = Connect(("services",), "proxy", proxy_service, METHODS)
NODE_PROXY = Connect(("nodes",), "proxy", proxy_node, METHODS)
