"""pods/portforward: connections into a pod's network, over SPDY, SPDY inside WebSocket, or WebSocket channels."""

from __future__ import annotations

from pilothouse.api.core.connectoptions import PodPortForwardOptions
from pilothouse.apiserver.http.connect import Connect
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming import sockets
from pilothouse.apiserver.http.streaming.kubelets import kubelet_of, pod_of
from pilothouse.apiserver.http.streaming.port_channels import forward_channels
from pilothouse.apiserver.http.streaming.relay import relay
from pilothouse.apiserver.http.streaming.tunnel import tunnel
from pilothouse.client.streaming.channels import TUNNEL
from pilothouse.client.streaming.hijack import wants
from pilothouse.client.streaming.upgrade import SPDY
from pilothouse.machinery import errors, strconv


async def port_forward(request: Request, options: PodPortForwardOptions) -> Response:
    """Connect the client with ports of a pod. Raises a 400 without an upgrade."""
    pod = await pod_of(request)
    kubelet = await kubelet_of(request, pod)
    url = kubelet.url("portForward", pod.metadata.namespace, pod.metadata.name)
    if sockets.is_websocket(request):
        if TUNNEL in sockets.offered(request):
            return await tunnel(request, kubelet, url)
        return await forward_channels(request, kubelet, url)
    if wants(request.http, SPDY):
        return await relay(request, kubelet, url)
    raise errors.bad_request("Upgrade request required")


def options_of(request: Request) -> PodPortForwardOptions:
    """PodPortForwardOptions from the query; over SPDY ports are named later."""
    numbers = (strconv.integer(text) for each in request.query.get("ports", []) for text in each.split(","))
    return PodPortForwardOptions(ports=[number for number in numbers if number is not None])


PORT_FORWARD = Connect(("pods",), "portforward", port_forward, options=options_of)
