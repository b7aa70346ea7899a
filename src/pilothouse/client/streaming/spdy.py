"""A SPDY/3.1 session over a `Duplex`, as client or as server.

- `open` makes a stream; streams that the other side opens come from `accept`.
- A stream that nobody reads holds the whole session up after STREAM_BUFFER_BYTES: nothing is buffered without limit.
- When the connection ends, every stream ends: reads give nothing, writes raise ConnectionError.
- Flow control by windows is not done: neither upstream's clients nor its servers do it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping

from pilothouse.client.streaming import spdy_frames as frames
from pilothouse.client.streaming.duplex import Duplex
from pilothouse.client.streaming.spdy_frames import Codec, Control, Data, SpdyError

STREAM_BUFFER_BYTES = 256 * 1024
STREAMS_LIMIT = 4096
CHUNK_BYTES = 64 * 1024


class Stream:
    """One stream of a session: a `Duplex` whose sending direction can be closed alone."""

    def __init__(self, session: Session, number: int, headers: Mapping[str, str]) -> None:
        self.session = session
        self.number = number
        self.headers = headers
        self.was_reset = False
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._finished = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.accepted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """The other side's answer; it may have said all that it had to say, and left, before anybody looks at it."""

    async def read(self) -> bytes:
        """The next bytes of the stream; empty at its end."""
        while not self._chunks and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        if not self._chunks:
            return b""
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._room.set()
        return data

    async def read_all(self, limit_bytes: int = STREAM_BUFFER_BYTES) -> bytes:
        """Read until the end; at most `limit_bytes` are kept."""
        kept = bytearray()
        while data := await self.read():
            kept += data[: limit_bytes - len(kept)]
        return bytes(kept)

    async def write(self, data: bytes) -> None:
        """Send bytes. ConnectionResetError when the stream or the session has ended."""
        if self._finished or self.session.ended:
            raise ConnectionResetError("the stream has ended")
        for start in range(0, len(data), CHUNK_BYTES):
            await self.session.send(Data(self.number, data[start : start + CHUNK_BYTES]))

    async def finish(self) -> None:
        """Close the sending direction; the other side may still send."""
        if not self._finished and not self.session.ended:
            self._finished = True
            await self.session.send(Data(self.number, b"", fin=True))
            self.session.forget_when_over(self)

    async def close(self) -> None:
        """End both directions: what still comes is thrown away."""
        with contextlib.suppress(ConnectionError):
            await self.finish()
        self.end()

    async def reset(self) -> None:
        """End both directions at once (RST_STREAM, CANCEL)."""
        if not self.session.ended:
            self._finished = True
            await self.session.send(Control(frames.RST_STREAM, self.number, status=frames.CANCEL))
        self.end()

    @property
    def over(self) -> bool:
        """Whether both directions have ended."""
        return self._ended and self._finished

    async def take(self, data: bytes) -> None:
        """Called by the session when data arrived. Waits while the buffer is full."""
        if self._ended:
            return
        self._chunks.append(data)
        self._size += len(data)
        self._changed.set()
        if self._size >= STREAM_BUFFER_BYTES:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        """Called by the session when the other side has closed its direction."""
        self._ended = True
        self._changed.set()
        self._room.set()
        if not self.accepted.done():
            self.accepted.set_result(False)
        self.session.forget_when_over(self)


class Session:
    """One SPDY/3.1 connection and its streams. `run` must be running to read it."""

    def __init__(self, duplex: Duplex, *, server: bool) -> None:
        self.ended = False
        self._duplex = duplex
        self._server = server
        self._codec = Codec()
        self._next = 2 if server else 1
        self._streams: dict[int, Stream] = {}
        self._accepted: asyncio.Queue[Stream | None] = asyncio.Queue(STREAMS_LIMIT)
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Run until either side ends the session."""
        try:
            while data := await self._duplex.read():
                for frame in self._codec.feed(data):
                    await self._handle(frame)
        except (ConnectionError, OSError):
            pass  # the end of the connection is the end of the session, however it came
        finally:
            self._end()
            await self._duplex.close()

    async def open(self, headers: Mapping[str, str]) -> Stream:
        """A new stream; returns when the other side has accepted it, ConnectionError when it refuses."""
        if self.ended:
            raise ConnectionResetError("the session has ended")
        stream = Stream(self, self._next, headers)
        self._next += 2
        self._streams[stream.number] = stream
        await self.send(Control(frames.SYN_STREAM, stream.number, headers))
        if not await stream.accepted:
            raise ConnectionResetError("the stream was refused")
        return stream

    async def accept(self) -> Stream | None:
        """The next stream that the other side opened; None when the session has ended."""
        if self.ended and self._accepted.empty():
            return None
        return await self._accepted.get()

    async def send(self, frame: Data | Control) -> None:
        """Write one frame; frames of several tasks do not mix."""
        async with self._writing:
            await self._duplex.write(self._codec.encode(frame))

    async def close(self) -> None:
        """Say goodbye and end."""
        if not self.ended:
            with contextlib.suppress(ConnectionError, OSError):
                await self.send(Control(frames.GOAWAY))
        self._end()
        await self._duplex.close()

    def forget_when_over(self, stream: Stream) -> None:
        """Remove the stream from the session when both directions have ended."""
        if stream.over:
            self._streams.pop(stream.number, None)

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            for stream in list(self._streams.values()):
                stream.end()
            with contextlib.suppress(asyncio.QueueFull):
                self._accepted.put_nowait(None)

    async def _handle(self, frame: Data | Control) -> None:
        if isinstance(frame, Data):
            stream = self._streams.get(frame.stream)
            if stream is not None:
                if frame.data:
                    await stream.take(frame.data)
                if frame.fin:
                    stream.end()
        elif frame.type == frames.SYN_STREAM:
            await self._opened(frame)
        elif frame.type == frames.PING:
            if frame.stream % 2 == (1 if self._server else 0):  # the other side's own ping, not the echo of one of ours
                await self.send(Control(frames.PING, frame.stream))
        elif frame.type == frames.GOAWAY:
            raise SpdyError("the other side goes away")
        else:
            self._about_stream(frame)

    def _about_stream(self, frame: Control) -> None:
        stream = self._streams.get(frame.stream)
        if stream is None:
            return
        if frame.type == frames.RST_STREAM:
            stream.was_reset = stream._finished = True
            stream.end()
        elif frame.type == frames.SYN_REPLY and not stream.accepted.done():
            stream.accepted.set_result(True)
        if frame.fin:
            stream.end()

    async def _opened(self, frame: Control) -> None:
        if len(self._streams) >= STREAMS_LIMIT or self._accepted.full():
            await self.send(Control(frames.RST_STREAM, frame.stream, status=frames.REFUSED))
            return
        stream = Stream(self, frame.stream, frame.headers or {})
        self._streams[frame.stream] = stream
        await self.send(Control(frames.SYN_REPLY, frame.stream, {}))
        if frame.fin:
            stream.end()
        self._accepted.put_nowait(stream)
