"""Limit for the sum of response bytes that clients have not read yet.

- While the sum is above the limit, connections are cut that have taken nothing for STALE_SECONDS, the stalest first.
- Who reads, however slowly, is not cut by this; who does not read at all is cut after a while anyway (connection.py).
- One answer alone is never too many.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from pilothouse.kit.clock import Clock

LIMIT_BYTES = 192 << 20
STALE_SECONDS = 1.0


class Reader(Protocol):
    """A connection with a response to send."""

    def cut(self) -> None:
        """End the connection at once: who waits for it fails."""
        ...


class Unsent:
    """Limit of unsent response bytes. One per server."""

    def __init__(self, clock: Clock, limit_bytes: int = LIMIT_BYTES) -> None:
        self._clock = clock
        self._limit = limit_bytes
        self._held: dict[Reader, tuple[int, float]] = {}
        """Bytes and the moment at which the client took some, by connection: the stalest first."""
        self._looks_again = False
        self.bytes = 0

    @contextmanager
    def holding(self, reader: Reader, size: int) -> Iterator[None]:
        """Count an answer of so many bytes until it has been taken, or the connection has ended."""
        self._held[reader] = (size, self._clock.monotonic())
        self.bytes += size
        self._enforce()
        try:
            yield
        finally:
            self._forget(reader)

    def progressed(self, reader: Reader) -> None:
        """The client has taken a part of its answer."""
        held = self._held.pop(reader, None)
        if held is not None:
            self._held[reader] = (held[0], self._clock.monotonic())

    def _forget(self, reader: Reader) -> None:
        self.bytes -= self._held.pop(reader, (0, 0.0))[0]

    def _enforce(self) -> None:
        if self.bytes <= self._limit:
            return
        oldest = self._clock.monotonic() - STALE_SECONDS
        for reader, (_, since) in list(self._held.items()):
            if self.bytes <= self._limit or len(self._held) == 1 or since > oldest:
                break
            self._forget(reader)
            reader.cut()
        if self.bytes > self._limit and len(self._held) > 1 and not self._looks_again:
            self._looks_again = True
            self._clock.call_after(STALE_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._looks_again = False
        self._enforce()
