"""/metrics: the server's own counters and those that the process has registered with prometheus-client.

An exposition is kept for a moment and made in a thread: with many series it takes tens of milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.kit.clock import Clock

KEPT_SECONDS = 1.0


class Collector(Protocol):
    """A Prometheus collector."""

    def collect(self) -> Iterator[Any]:
        """The families of prometheus-client."""
        ...


def paths(collectors: Sequence[Collector], clock: Clock) -> Mapping[str, Handler]:
    """The handler of /metrics."""
    exposition = Exposition(collectors, clock)

    async def serve(request: Request) -> Response:
        if request.method == "DELETE":  # as upstream answers; the counters go on
            return Answer(200, b"metrics reset\n", "text/plain; charset=utf-8")
        return Answer(200, await exposition.body(), "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")

    return {"/metrics": serve}


class Exposition:
    """The text, not older than KEPT_SECONDS."""

    def __init__(self, collectors: Sequence[Collector], clock: Clock) -> None:
        self._collectors = tuple(collectors)
        self._clock = clock
        self._made = float("-inf")
        self._body = b""
        self._registry: Any = None

    async def body(self) -> bytes:
        """The metrics as text, made anew when they are older than KEPT_SECONDS."""
        now = self._clock.monotonic()
        if now - self._made >= KEPT_SECONDS:
            self._body = await asyncio.to_thread(self._make)
            self._made = now
        return self._body

    def _make(self) -> bytes:
        from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

        if self._registry is None:
            self._registry = CollectorRegistry()
            for collector in self._collectors:
                self._registry.register(collector)
        return generate_latest(self._registry) + generate_latest(REGISTRY)
