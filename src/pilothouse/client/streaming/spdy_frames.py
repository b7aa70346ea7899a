"""SPDY/3.1 frames: bytes to values and back, without I/O.

A `Codec` holds the compression state of one connection's headers, one each way: feed it everything, in order.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pilothouse.client.streaming.spdy_dictionary import DICTIONARY

VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 0x01
CONTROL = 0x80000000
STREAM_MASK = 0x7FFFFFFF
HEADER_BYTES = 8
HEADERS_LIMIT_BYTES = 1024 * 1024
CANCEL, REFUSED = 5, 3


class SpdyError(ConnectionError):
    """The other side does not speak SPDY/3.1, or breaks its rules."""


@dataclass(frozen=True, slots=True)
class Data:
    """A data frame; `fin` ends the sender's direction."""

    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Control:
    """A control frame: `stream` is the stream's id, a PING's id, or a GOAWAY's last good stream; `status` of RST_STREAM and GOAWAY."""

    type: int
    stream: int = 0
    headers: Mapping[str, str] | None = None
    fin: bool = False
    status: int = 0


class Codec:
    """Both directions of one connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._compressor = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, zdict=DICTIONARY)
        self._decompressor = zlib.decompressobj(zlib.MAX_WBITS, zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Data | Control]:
        """The frames that `data` completes. SpdyError for what is none."""
        self._buffer += data
        while len(self._buffer) >= HEADER_BYTES:
            first, second = struct.unpack_from(">II", self._buffer)
            length = second & 0xFFFFFF
            if len(self._buffer) < HEADER_BYTES + length:
                return
            payload = bytes(self._buffer[HEADER_BYTES : HEADER_BYTES + length])
            del self._buffer[: HEADER_BYTES + length]
            flags = second >> 24
            if not first & CONTROL:
                yield Data(first & STREAM_MASK, payload, bool(flags & FIN))
                continue
            if (first >> 16) & 0x7FFF != VERSION:
                raise SpdyError("unsupported SPDY version")
            control = self._control(first & 0xFFFF, flags, payload)
            if control is not None:
                yield control

    def _control(self, kind: int, flags: int, payload: bytes) -> Control | None:
        fixed = {SYN_STREAM: 10, SYN_REPLY: 4, RST_STREAM: 8, PING: 4, GOAWAY: 8, HEADERS: 4}.get(kind)
        if fixed is None:
            return None  # settings and windows: nobody in this world heeds them
        if len(payload) < fixed:
            raise SpdyError("a control frame is too short")
        stream = int.from_bytes(payload[:4], "big") & (0xFFFFFFFF if kind == PING else STREAM_MASK)
        if kind in (SYN_STREAM, SYN_REPLY, HEADERS):
            return Control(kind, stream, self._headers(payload[fixed:]), bool(flags & FIN))
        status = int.from_bytes(payload[4:8], "big") if fixed == 8 else 0
        return Control(kind, stream, status=status)

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._decompressor.decompress(block, HEADERS_LIMIT_BYTES)
        except zlib.error as error:
            raise SpdyError(f"headers cannot be decompressed: {error}") from error
        if self._decompressor.unconsumed_tail:
            raise SpdyError("headers are too large")
        headers: dict[str, str] = {}
        try:
            (count,) = struct.unpack_from(">I", plain)
            position = 4
            for _ in range(count):
                name, position = _text(plain, position)
                headers[name.lower()], position = _text(plain, position)
        except (struct.error, UnicodeDecodeError) as error:
            raise SpdyError("headers are malformed") from error
        return headers

    def encode(self, frame: Data | Control) -> bytes:
        """A frame as bytes. Frames must go out in the order in which they were encoded."""
        if isinstance(frame, Data):
            flags = FIN if frame.fin else 0
            return struct.pack(">II", frame.stream, flags << 24 | len(frame.data)) + frame.data
        payload = frame.stream.to_bytes(4, "big")
        if frame.type == SYN_STREAM:
            payload += bytes(6)  # no associated stream, highest priority, no slot
        if frame.type in (RST_STREAM, GOAWAY):
            payload += frame.status.to_bytes(4, "big")
        if frame.headers is not None:
            payload += self._compressed(frame.headers)
        flags = FIN if frame.fin else 0
        return struct.pack(">II", CONTROL | VERSION << 16 | frame.type, flags << 24 | len(payload)) + payload

    def _compressed(self, headers: Mapping[str, str]) -> bytes:
        parts = [struct.pack(">I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                parts += [struct.pack(">I", len(text)), text]
        return self._compressor.compress(b"".join(parts)) + self._compressor.flush(zlib.Z_SYNC_FLUSH)


def _text(data: bytes, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">I", data, position)
    end = position + 4 + length
    if end > len(data):
        raise struct.error("too short")
    return data[position + 4 : end].decode(), end
