"""Port-forward of kubectl 1.31 and newer: SPDY frames inside WebSocket messages. The API server only unwraps them."""

from __future__ import annotations

from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming import sockets
from pilothouse.apiserver.http.streaming.kubelets import Kubelet, reach
from pilothouse.client.streaming.channels import PORT_FORWARD_SPDY, TUNNEL
from pilothouse.client.streaming.duplex import pipe
from pilothouse.client.streaming.upgrade import UpgradeRefused
from pilothouse.machinery import errors


async def tunnel(request: Request, kubelet: Kubelet, url: str) -> Response:
    """Connect the client's WebSocket with the kubelet's SPDY stream until one of them ends.

    Raises a StatusError when the kubelet refuses the upgrade.
    """
    try:
        upgraded = await reach(request, kubelet, url, [PORT_FORWARD_SPDY])
    except UpgradeRefused as error:
        raise errors.failure(error.status, "InternalError", str(error)) from error
    try:
        async with sockets.accepted(request, TUNNEL) as socket:
            await pipe(sockets.SocketTunnel(socket), upgraded.duplex)
            return socket
    finally:
        await upgraded.duplex.close()
