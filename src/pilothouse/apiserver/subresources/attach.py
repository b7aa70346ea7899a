"""pods/attach: the streams of a container's own process, over SPDY or WebSocket."""

from __future__ import annotations

from pilothouse.apiserver.http.connect import Connect
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming.kubelets import container_of, flag, kubelet_of, pod_of
from pilothouse.apiserver.http.streaming.relay import relay
from pilothouse.apiserver.http.streaming.remote_command import Wanted, translate
from pilothouse.apiserver.http.streaming.sockets import is_websocket
from pilothouse.client.streaming.hijack import wants
from pilothouse.client.streaming.upgrade import SPDY
from pilothouse.machinery import errors


async def attach(request: Request) -> Response:
    wanted = Wanted(flag(request, "stdin"), flag(request, "stdout"), flag(request, "stderr"), flag(request, "tty"))
    pod = await pod_of(request)
    container = container_of(pod, request.parameter("container"))
    kubelet = await kubelet_of(request, pod)
    url = kubelet.url("attach", pod.metadata.namespace, pod.metadata.name, container, query=wanted.query())
    if is_websocket(request):
        return await translate(request, kubelet, url, wanted)
    if wants(request.http, SPDY):
        return await relay(request, kubelet, url)
    raise errors.bad_request("Upgrade request required")


ATTACH = Connect(("pods",), "attach", attach)
