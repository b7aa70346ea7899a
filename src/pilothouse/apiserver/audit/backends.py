"""How events get to where they are kept: at once or in batches, whole or truncated.

- `blocking`: the answer waits until its event is kept; a failure is only counted. `blocking-strict`: such a request is refused.
- `batch`: nobody waits. Events stand in a bounded buffer; what does not fit is lost, and counted.

Upstream: plugin/pkg/audit/buffered and truncate.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from pilothouse.apiserver.audit.event import NO_RAW, Event, encoded
from pilothouse.apiserver.audit.metrics import AuditMetrics
from pilothouse.apiserver.audit.policy import REQUEST, REQUEST_RESPONSE
from pilothouse.kit.clock import Clock, wait_for

log = logging.getLogger(__name__)

BATCH, BLOCKING, BLOCKING_STRICT = "batch", "blocking", "blocking-strict"
MODES = (BATCH, BLOCKING, BLOCKING_STRICT)
TRUNCATED = "audit.k8s.io/truncated"
CLOSE_SECONDS = 5.0
"""How long the last events may take when the server ends."""
SENDING_LIMIT = 32
"""Batches that may be under way at a time."""


class Delegate(Protocol):
    """Who keeps events: a file, or a server."""

    name: str

    def keep(self, events: Sequence[Event]) -> Awaitable[bool]:
        """Keep events, in their order; whether that has succeeded. What failed has been counted."""
        ...

    async def close(self) -> None:
        """Keep what waits, and no more."""
        ...


class Backend(Protocol):
    """What an Auditor hands events to."""

    is_strict: bool

    def process(self, event: Event) -> Awaitable[bool] | None:
        """Take an event; what is to be waited for before the answer."""
        ...

    async def run(self) -> None:
        """Work until cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """Of the mode `batch`."""

    buffer_size: int = 10_000
    max_size: int = 1
    max_wait_seconds: float = 0.0
    throttles: bool = False
    qps: float = 0.0
    burst: int = 0


@dataclass(frozen=True, slots=True)
class TruncateConfig:
    """How large events and batches may be; nothing is cut unless `enabled`."""

    enabled: bool = False
    max_batch_bytes: int = 10 * 1024 * 1024
    max_event_bytes: int = 100 * 1024


def lost(metrics: AuditMetrics, plugin: str, problem: object, events: Sequence[Event]) -> None:
    """Count events that were not kept, and say whose they were: never what was in them."""
    metrics.errors[plugin] += len(events)
    log.error("audit events were lost", extra={"plugin": plugin, "count": len(events), "problem": str(problem), "first": events[0].auditID})


@dataclass(slots=True)
class Truncating:
    """Keeps events that are not too large in batches that are not too large, by a delegate."""

    delegate: Delegate
    config: TruncateConfig
    metrics: AuditMetrics
    name: str = "truncate"

    async def keep(self, events: Sequence[Event]) -> bool:
        """Cut what is too large, lose what is still, split batches."""
        kept: list[Event] = []
        size, succeeded, limits = 0, True, self.config
        for event in events:
            fitting, length = fit(event, limits.max_event_bytes)
            if fitting is None:
                lost(self.metrics, self.name, "event is too large even after truncating", [event])
                continue
            if kept and size + length > limits.max_batch_bytes:
                succeeded = await self.delegate.keep(kept) and succeeded
                kept, size = [], 0
            kept.append(fitting)
            size += length
        return (await self.delegate.keep(kept) and succeeded) if kept else succeeded

    async def close(self) -> None:
        """Close the delegate."""
        await self.delegate.close()


def fit(event: Event, limit: int) -> tuple[Event | None, int]:
    """The event within a limit of bytes, without its bodies if need be, and its size; None when it is too large even so."""
    length = len(encoded(event))
    if length > limit and event.level in (REQUEST, REQUEST_RESPONSE):
        annotations = {**event.annotations, TRUNCATED: "true"}
        event = msgspec.structs.replace(event, requestObject=NO_RAW, responseObject=NO_RAW, annotations=annotations)
        length = len(encoded(event))
    return (event, length) if length <= limit else (None, length)


@dataclass(slots=True)
class Direct:
    """`blocking` and `blocking-strict`: each event is kept by itself, and waited for."""

    delegate: Delegate
    is_strict: bool = False
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def process(self, event: Event) -> Awaitable[bool]:
        """Begin to keep the event at once, so that the order is that of the stages."""
        return self.delegate.keep((event,))

    async def run(self) -> None:
        """Only the end is to be waited for."""
        try:
            await self._idle.wait()
        finally:
            await asyncio.shield(self.delegate.close())


class Buffered:
    """`batch`: events wait in a buffer, and are kept by the delegate beside the requests."""

    is_strict = False

    def __init__(self, delegate: Delegate, config: BatchConfig, clock: Clock, metrics: AuditMetrics, *, at_once: bool = True) -> None:
        """`at_once`: one batch is kept after the other; otherwise several may be under way."""
        self._delegate, self._config, self._clock, self._metrics, self._at_once = delegate, config, clock, metrics, at_once
        self._waiting: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._tokens: float = config.burst
        self._refilled = clock.monotonic()

    def process(self, event: Event) -> None:
        """Take the event, or lose it when the buffer is full."""
        if len(self._waiting) >= self._config.buffer_size:
            lost(self._metrics, "buffered", "audit buffer queue blocked", [event])
            return
        self._waiting.append(event)
        if len(self._waiting) == 1 or len(self._waiting) >= self._config.max_size:
            self._wake.set()

    async def run(self) -> None:
        """Keep batches until cancelled; then what is left."""
        try:
            async with asyncio.TaskGroup() as group:
                sending = asyncio.Semaphore(1 if self._at_once else SENDING_LIMIT)
                while True:
                    batch = await self._collected()
                    await self._throttle()
                    await sending.acquire()
                    if self._at_once:
                        await self._keep(batch, sending)
                    else:
                        group.create_task(self._keep(batch, sending), name="batch of audit events")
        finally:
            await asyncio.shield(self._flush())
            await asyncio.shield(self._delegate.close())

    async def _keep(self, batch: Sequence[Event], sending: asyncio.Semaphore) -> None:
        try:
            await self._delegate.keep(batch)
        finally:
            sending.release()

    async def _flush(self) -> None:
        try:
            while batch := self._taken():
                await wait_for(self._clock, self._delegate.keep(batch), CLOSE_SECONDS)
        except TimeoutError as error:
            lost(self._metrics, "buffered", error or "the server ended", [*batch, *self._waiting])

    def _taken(self) -> list[Event]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._config.max_size))]

    async def _collected(self) -> list[Event]:
        """A batch that is full, or has waited long enough."""
        while not self._waiting:
            self._wake.clear()
            await self._wake.wait()
        until = self._clock.monotonic() + self._config.max_wait_seconds
        while len(self._waiting) < self._config.max_size and (left := until - self._clock.monotonic()) > 0:
            self._wake.clear()
            try:
                await wait_for(self._clock, self._wake.wait(), left)
            except TimeoutError:
                break
        return self._taken()

    async def _throttle(self) -> None:
        """Return when another batch may be sent: a bucket of `burst` that is filled `qps` times a second."""
        config = self._config
        while config.throttles:
            now = self._clock.monotonic()
            self._tokens = min(config.burst, self._tokens + (now - self._refilled) * config.qps)
            self._refilled = now
            if self._tokens >= 1:
                self._tokens -= 1
                return
            await self._clock.sleep((1 - self._tokens) / config.qps)
