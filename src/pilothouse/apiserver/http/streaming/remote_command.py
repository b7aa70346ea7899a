"""exec and attach of WebSocket clients: channels towards the client, SPDY streams towards the kubelet.

- The kubelet (and behind it the runtime) is always spoken to in v4, whatever the client speaks.
- The last thing a client hears is the Status on the error channel: Success, a NonZeroExitCode, or what went wrong; by then
  everything that was written to stdout and stderr has been sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import web

from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming import sockets
from pilothouse.apiserver.http.streaming.kubelets import Kubelet, reach
from pilothouse.client.streaming import channels
from pilothouse.client.streaming.channels import Protocol
from pilothouse.client.streaming.remote_command import RemoteCommandStreams
from pilothouse.client.streaming.spdy import Session, Stream
from pilothouse.client.streaming.upgrade import UpgradeRefused
from pilothouse.machinery import codec, errors
from pilothouse.machinery.errors import StatusError

STREAM_PROTOCOL = "v4.channel.k8s.io"
SUCCESS = b'{"metadata":{},"status":"Success"}'
NO_STATUS = "the connection to the kubelet ended before the command did"


async def translate(request: Request, kubelet: Kubelet, url: str, streams: RemoteCommandStreams) -> Response:
    """Serve one WebSocket client from its upgrade to its end."""
    protocol = channels.negotiate(sockets.offered(request), channels.REMOTE_COMMAND)
    if protocol is None:
        names = ", ".join(channel.name for channel in channels.REMOTE_COMMAND)
        raise errors.bad_request(f"unable to upgrade: none of the requested protocols is known; known are {names}")
    async with sockets.accepted(request, protocol.name) as socket:
        # Tells the client that the connection stands, before the command has anything to say.
        first = channels.STDOUT if streams.stdout else channels.STDERR if streams.stderr else channels.ERROR
        with contextlib.suppress(ConnectionError):
            await sockets.send(socket, protocol.encode(first, b""))
            status = await _status(request, socket, protocol, kubelet, url, streams)
            await _tell(socket, protocol, status)
            await socket.close()
        return socket


async def _status(
    request: Request, socket: web.WebSocketResponse, protocol: Protocol, kubelet: Kubelet, url: str, streams: RemoteCommandStreams
) -> bytes:
    """Run the command; the Status that it ended with."""
    try:
        upgraded = await reach(request, kubelet, url, [STREAM_PROTOCOL])
    except (UpgradeRefused, StatusError) as error:
        return _failure(str(error))
    session = Session(upgraded.duplex, server=False)
    running = asyncio.ensure_future(session.run())
    try:
        return await _Command(socket, protocol, session, streams).run()
    except ConnectionError as error:
        return _failure(str(error) or NO_STATUS)
    finally:
        await session.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _failure(text: str) -> bytes:
    return codec.encode(errors.internal_error(text).status)


async def _tell(socket: web.WebSocketResponse, protocol: Protocol, status: bytes) -> None:
    """The Status as the protocol has it: before v4 only the text of a failure."""
    if protocol.has_status:
        await sockets.send(socket, protocol.encode(channels.ERROR, status))
        return
    with contextlib.suppress(ValueError):
        document: Any = json.loads(status)
        if document.get("status") != "Success":
            await sockets.send(socket, protocol.encode(channels.ERROR, str(document.get("message", "")).encode()))


class _Command:
    """One command with its streams, from the client's socket to the kubelet's session."""

    def __init__(self, socket: web.WebSocketResponse, protocol: Protocol, session: Session, streams: RemoteCommandStreams) -> None:
        self.socket = socket
        self.protocol = protocol
        self.session = session
        self.streams = streams
        self.inputs: dict[int, Stream] = {}

    async def run(self) -> bytes:
        """Carry everything until the command ends (its Status) or the client leaves (ConnectionError)."""
        error = await self._open("error")
        outputs: list[tuple[int, Stream]] = []
        if self.streams.stdin:
            self.inputs[channels.STDIN] = await self._open("stdin")
        if self.streams.stdout:
            outputs.append((channels.STDOUT, await self._open("stdout")))
        if self.streams.stderr and not self.streams.tty:
            outputs.append((channels.STDERR, await self._open("stderr")))
        if self.streams.tty:
            self.inputs[channels.RESIZE] = await self._open("resize")
        await error.finish()  # nothing is ever said to it
        ending = asyncio.ensure_future(self._ending(error, outputs))
        leaving = asyncio.ensure_future(self._listen())
        try:
            await asyncio.wait((ending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                raise ConnectionResetError("the client is gone")
            return ending.result()
        finally:
            ending.cancel()
            leaving.cancel()
            await asyncio.gather(ending, leaving, return_exceptions=True)

    async def _open(self, kind: str) -> Stream:
        return await self.session.open({"streamType": kind})

    async def _ending(self, error: Stream, outputs: list[tuple[int, Stream]]) -> bytes:
        async with asyncio.TaskGroup() as group:
            for channel, stream in outputs:
                group.create_task(self._carry(channel, stream))
            status = group.create_task(error.read_all())
        if status.result():
            return status.result()
        return SUCCESS if not self.session.ended else _failure(NO_STATUS)

    async def _carry(self, channel: int, stream: Stream) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await stream.read():
                await sockets.send(self.socket, self.protocol.encode(channel, data))

    async def _listen(self) -> None:
        """What the client sends to its inputs, until it leaves."""
        async for message in sockets.messages(self.socket):
            try:
                channel, data = self.protocol.decode(message)
            except ValueError:
                return
            if self.protocol.closes and channel == channels.CLOSE:
                closed = self.inputs.pop(data[0], None) if data else None
                if closed is not None:
                    await closed.finish()
            elif channel in self.inputs and data:
                await self._feed(channel, data)

    async def _feed(self, channel: int, data: bytes) -> None:
        try:
            await self.inputs[channel].write(data)
        except ConnectionError:
            self.inputs.pop(channel, None)  # the command reads no more: what it has said still comes
