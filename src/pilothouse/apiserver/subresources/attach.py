"""pods/attach: the streams of a container's own process, over SPDY or WebSocket."""

from __future__ import annotations

from pilothouse.api.core.connectoptions import PodAttachOptions
from pilothouse.apiserver.http.connect import Connect
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming.kubelets import container_of, flag, kubelet_of, pod_of
from pilothouse.apiserver.http.streaming.relay import relay
from pilothouse.apiserver.http.streaming.remote_command import translate
from pilothouse.apiserver.http.streaming.sockets import is_websocket
from pilothouse.client.streaming.hijack import wants
from pilothouse.client.streaming.remote_command import RemoteCommandStreams
from pilothouse.client.streaming.upgrade import SPDY
from pilothouse.machinery import errors


async def attach(request: Request, options: PodAttachOptions) -> Response:
    """Connect the client with the process of a running container. Raises a 400 without an upgrade."""
    streams = RemoteCommandStreams(options.stdin, options.stdout, options.stderr, options.tty)
    pod = await pod_of(request)
    container = container_of(pod, options.container)
    kubelet = await kubelet_of(request, pod)
    url = kubelet.url("attach", pod.metadata.namespace, pod.metadata.name, container, query=streams.query())
    if is_websocket(request):
        return await translate(request, kubelet, url, streams)
    if wants(request.http, SPDY):
        return await relay(request, kubelet, url)
    raise errors.bad_request("Upgrade request required")


def options_of(request: Request) -> PodAttachOptions:
    """PodAttachOptions from the query."""
    return PodAttachOptions(
        stdin=flag(request, "stdin"),
        stdout=flag(request, "stdout"),
        stderr=flag(request, "stderr"),
        tty=flag(request, "tty"),
        container=request.parameter("container"),
    )


ATTACH = Connect(("pods",), "attach", attach, options=options_of)
