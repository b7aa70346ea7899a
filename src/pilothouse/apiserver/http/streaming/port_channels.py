"""Port-forward over plain WebSocket channels: two channels a port, data and error, each beginning with the port's number."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from aiohttp import web

from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming import sockets
from pilothouse.apiserver.http.streaming.kubelets import Kubelet, reach
from pilothouse.client.streaming import channels
from pilothouse.client.streaming.channels import PORT_FORWARD_SPDY, Protocol
from pilothouse.client.streaming.spdy import Session, Stream
from pilothouse.client.streaming.upgrade import UpgradeRefused
from pilothouse.machinery import errors, strconv

PORTS_LIMIT = 100


def ports_of(request: Request) -> list[int]:
    """Ports of the query. Raises upstream's 400 when there are none or one is invalid."""
    texts = [text for value in request.query.get("ports", []) for text in value.split(",")]
    if not texts:
        raise errors.bad_request('query parameter "ports" is required')
    if len(texts) > PORTS_LIMIT:
        raise errors.bad_request(f"at most {PORTS_LIMIT} ports can be forwarded at once")
    ports = [strconv.unsigned(text, range(1, 65536)) for text in texts]
    if None in ports:
        raise errors.bad_request(f'unable to parse "{texts[ports.index(None)]}" as a port')
    return [port for port in ports if port is not None]


async def forward_channels(request: Request, kubelet: Kubelet, url: str) -> Response:
    """Serve one client: one connection to each of its ports."""
    protocol = channels.negotiate(sockets.offered(request), channels.PORT_FORWARD)
    if protocol is None:
        raise errors.bad_request("unable to upgrade: none of the requested protocols is known")
    ports = ports_of(request)
    try:
        upgraded = await reach(request, kubelet, url, [PORT_FORWARD_SPDY])
    except UpgradeRefused as error:
        raise errors.failure(error.status, "InternalError", str(error)) from error
    session = Session(upgraded.duplex, server=False)
    running = asyncio.ensure_future(session.run())
    try:
        async with sockets.accepted(request, protocol.name) as socket:
            with contextlib.suppress(ConnectionError):
                await _Ports(socket, protocol, session, ports).run()
                await socket.close()
            return socket
    finally:
        await session.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class _Ports:
    """The ports of one client. Channel 2i is the data of the i-th port, 2i+1 its errors."""

    def __init__(self, socket: web.WebSocketResponse, protocol: Protocol, session: Session, ports: Sequence[int]) -> None:
        self.socket = socket
        self.protocol = protocol
        self.session = session
        self.ports = ports
        self.inputs: dict[int, Stream] = {}

    async def run(self) -> None:
        """Until the client leaves, or all connections have ended."""
        outputs: list[tuple[int, Stream]] = []
        for index, port in enumerate(self.ports):
            number = port.to_bytes(2, "little")
            headers = {"port": str(port), "requestID": str(index)}
            error = await self.session.open({**headers, "streamType": "error"})
            await error.finish()
            data = await self.session.open({**headers, "streamType": "data"})
            await self._send(2 * index, number)
            await self._send(2 * index + 1, number)
            self.inputs[2 * index] = data
            outputs += [(2 * index, data), (2 * index + 1, error)]
        carrying = asyncio.gather(*(self._carry(channel, stream) for channel, stream in outputs))
        listening = asyncio.ensure_future(self._listen())
        try:
            await asyncio.wait((carrying, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            carrying.cancel()
            listening.cancel()
            await asyncio.gather(carrying, listening, return_exceptions=True)

    async def _send(self, channel: int, data: bytes) -> None:
        await sockets.send(self.socket, self.protocol.encode(channel, data))

    async def _carry(self, channel: int, stream: Stream) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await stream.read():
                await self._send(channel, data)

    async def _listen(self) -> None:
        async for message in sockets.messages(self.socket):
            try:
                channel, data = self.protocol.decode(message)
            except ValueError:
                return
            stream = self.inputs.get(channel)
            if stream is not None and data:
                try:
                    await stream.write(data)
                except ConnectionError:
                    del self.inputs[channel]
