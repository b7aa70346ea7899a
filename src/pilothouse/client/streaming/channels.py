"""The WebSocket channel protocols: each message begins with the number of the stream that it belongs to.

- `vN.channel.k8s.io`: binary messages, the first byte is the number. `vN.base64.channel.k8s.io`: text messages, the first
  character is the digit, the rest base64.
- From v4 on the error channel ends with a Status object; before, with plain text.
- v5 can close one direction of one stream: channel 255, then the number of the stream that is closed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE = 255
MESSAGE_LIMIT_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Protocol:
    """A WebSocket channel protocol, by its name in Sec-WebSocket-Protocol."""

    name: str
    version: int
    text: bool = False

    def encode(self, channel: int, data: bytes) -> bytes | str:
        """A message: str goes out as a text message."""
        if self.text:
            return chr(ord("0") + channel) + base64.b64encode(data).decode()
        return bytes((channel,)) + data

    def decode(self, message: bytes | str) -> tuple[int, bytes]:
        """The channel and its data; ValueError for what is no message."""
        # Whether it came as a text or a binary message means nothing: the Python client sends text in binary protocols.
        data = message.encode() if isinstance(message, str) else message
        if not data:
            raise ValueError("an empty message has no channel")
        if not self.text:
            return data[0], data[1:]
        try:
            return data[0] - ord("0"), base64.b64decode(data[1:], validate=True)
        except binascii.Error as error:
            raise ValueError("not base64") from error

    @property
    def closes(self) -> bool:
        """Whether the client can close a single stream (v5)."""
        return self.version >= 5

    @property
    def has_status(self) -> bool:
        """Whether the exit status comes as a Status object (v4 and later)."""
        return self.version >= 4


UNNAMED = Protocol("", 1)
"""What is spoken when the client names no protocol."""

REMOTE_COMMAND = (
    Protocol("v5.channel.k8s.io", 5),
    Protocol("v4.channel.k8s.io", 4),
    Protocol("v4.base64.channel.k8s.io", 4, text=True),
    Protocol("v3.channel.k8s.io", 3),
    Protocol("v3.base64.channel.k8s.io", 3, text=True),
    Protocol("v2.channel.k8s.io", 2),
    Protocol("v2.base64.channel.k8s.io", 2, text=True),
    Protocol("channel.k8s.io", 1),
    Protocol("base64.channel.k8s.io", 1, text=True),
)
PORT_FORWARD = (Protocol("v4.channel.k8s.io", 4), Protocol("v4.base64.channel.k8s.io", 4, text=True))
TUNNEL = "SPDY/3.1+portforward.k8s.io"
PORT_FORWARD_SPDY = "portforward.k8s.io"


def negotiate(offered: Iterable[str], known: Iterable[Protocol]) -> Protocol | None:
    """The first offered protocol that is known; the unnamed one when none is offered; None when all are strange."""
    by_name = {protocol.name: protocol for protocol in known}
    wanted = [name.strip() for name in offered if name.strip()]
    if not wanted:
        return UNNAMED
    return next((by_name[name] for name in wanted if name in by_name), None)
