"""pods/portforward: connections into a pod's network, over SPDY, SPDY inside WebSocket, or WebSocket channels."""

from __future__ import annotations

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
from pilothouse.machinery import errors


async def port_forward(request: Request) -> Response:
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


PORT_FORWARD = Connect(("pods",), "portforward", port_forward)
