"""Event recorder: Events about an object, for `kubectl describe` and `get events`.

- `event()` never waits and never fails: what does not fit the queue of 1,000 is dropped and counted.
- Repeated, similar and too many events are dealt with by correlation.py before anything is sent.
- Events give way while their component is `busy`, for at most GIVE_WAY_SECONDS.
- `run()` sends in order; a server that cannot be reached is tried 12 times, 10 seconds apart, as client-go does.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from pilothouse.api.types.core_v1 import Event, EventSource, ObjectReference
from pilothouse.client.client import Client
from pilothouse.client.correlation import Correlated, Correlator, counted
from pilothouse.kit.clock import Clock, MonotonicTime
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import time
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta

NORMAL = "Normal"
WARNING = "Warning"
QUEUE_LIMIT = 1000
TRIES_LIMIT = 12
RETRY_SECONDS = 10.0
GIVE_WAY_SECONDS, LOOK_SECONDS = 5.0, 0.1
"""An event is sent when its component is not busy any more, looked at so often, or when it has waited for so long."""
DEFAULT_NAMESPACE = "default"
"""Where events about cluster-scoped objects go."""


class EventRecorder:
    """Event recorder of one component. `host` is the node in `source.host`, for kubelets; `busy` says that events have to wait."""

    def __init__(
        self, client: Client, component: str, clock: Clock, entropy: Entropy, *, host: str = "", busy: Callable[[], bool] | None = None
    ) -> None:
        self.dropped = 0
        self._client = client
        self._busy = busy or (lambda: False)
        self._source = EventSource(component=component, host=host)
        self._clock = clock
        self._steady = MonotonicTime(clock)
        """Bursts are counted by it."""
        self._entropy = entropy
        self._queue: asyncio.Queue[tuple[Event, datetime]] = asyncio.Queue(QUEUE_LIMIT)
        self._correlator = Correlator()
        self._last_name = 0
        self._name_offset = zlib.crc32(f"{component}/{host}".encode()) % 1_000_000

    def event(self, obj: Any, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Tell `message` about `obj` (an object, or an ObjectReference). `field_path`: `spec.containers{app}`."""
        about = obj if isinstance(obj, ObjectReference) else reference_to(obj, field_path)
        now = self._clock.now()
        made = self._made(about, type, reason, message, now)
        try:
            self._queue.put_nowait((made, self._steady.now()))
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> None:
        """Send recorded Events until cancelled."""
        while True:
            event, at = await self._queue.get()
            while self._busy() and (self._steady.now() - at).total_seconds() < GIVE_WAY_SECONDS:
                await self._clock.sleep(LOOK_SECONDS)
            correlated = self._correlator.correlate(event, at)
            if correlated is not None:
                await self._send(correlated)

    def _made(self, about: ObjectReference, type: str, reason: str, message: str, now: datetime) -> Event:
        stamp = time.text(now)
        namespace = about.namespace or DEFAULT_NAMESPACE
        return Event(
            metadata=ObjectMeta(name=f"{about.name}.{self._unique(now):x}", namespace=namespace),
            involvedObject=about,
            reason=reason,
            message=message,
            source=self._source,
            firstTimestamp=stamp,
            lastTimestamp=stamp,
            count=1,
            type=type,
            reportingComponent=self._source.component,
            reportingInstance=self._source.host,
        )

    def _unique(self, now: datetime) -> int:
        """The time in nanoseconds, as client-go names events, moved by under a millisecond that differs between recorders: so
        that no two names are the same, also when the clock stands still."""
        self._last_name = max(self._last_name + 1, int(now.timestamp() * 1_000_000) * 1000 + self._name_offset)
        return self._last_name

    async def _send(self, correlated: Correlated) -> None:
        for attempt in range(TRIES_LIMIT):
            try:
                self._correlator.sent(correlated.key, await self._deliver(correlated))
                return
            except StatusError:
                self.dropped += 1  # the server has judged (the namespace ends, the event is there, ...): asking again changes nothing
                return
            except ConnectionError:
                first = self._entropy.random.random() if attempt == 0 else 1.0  # so that not all come back at the same moment
                await self._clock.sleep(RETRY_SECONDS * first)
        self.dropped += 1

    async def _deliver(self, correlated: Correlated) -> Event:
        event = correlated.event
        if correlated.known:
            meta = event.metadata
            try:
                return await self._client.patch(Event, meta.name, meta.namespace, orjson.dumps(counted(event)))
            except StatusError as error:
                if error.code != 404:
                    raise
        event.metadata.resourceVersion = ""
        return await self._client.create(event)


def reference_to(obj: Any, field_path: str = "") -> ObjectReference:
    """A reference to an object, as events have it."""
    meta = obj.metadata
    return ObjectReference(
        apiVersion=obj.apiVersion,
        kind=obj.kind,
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        resourceVersion=meta.resourceVersion,
        fieldPath=field_path,
    )
