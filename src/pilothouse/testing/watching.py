"""Watch events of one kind as a test sees them: they are gathered from the moment the watch begins, and taken by the test.

    with cluster.watch_events(Pod) as events:
        cluster.apply(manifest)
        events.until(lambda event: event.object.status.phase == "Running")

- Nothing is missed between the beginning and the end; a watch that the server ends is taken up where it ended.
- At most `limit` events wait to be taken; when more come, reading fails with OverflowError.
- `until` waits in the cluster's time, and where that stands still it moves it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from pilothouse.client.call import Options, WatchEvent
from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kit.running_clock import RunningClock
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery.errors import StatusError
from pilothouse.testing.durations import seconds

T = TypeVar("T")
EVENTS_LIMIT = 10_000
PATIENCE = "30s"
STEP_SECONDS = 1.0
BOOKMARK = "BOOKMARK"


class WatchBuffer(Generic[T]):
    """The part that runs in the cluster's loop: `run` it in a task."""

    def __init__(self, client: Client, kind: type[T], namespace: str, selector: str, limit: int) -> None:
        self._client, self._kind, self._namespace, self._selector, self._limit = client, kind, namespace, selector, limit
        self._revision = ""
        self._waiting: deque[WatchEvent[T]] = deque()
        self._failure: Exception | None = None
        self.changed = asyncio.Event()
        """Set when an event has come, or the watch has failed."""

    async def begin(self) -> None:
        """Note from where on events are wanted."""
        now = await self._client.list(self._kind, self._namespace, options=Options(label_selector=self._selector, limit=1))
        self._revision = now.resource_version

    async def run(self) -> None:
        """Gather until cancelled, or until more than the limit wait."""
        try:
            while self._failure is None:
                await self._watch()
        except (StatusError, ConnectionError) as error:
            self._fail(error)

    async def _watch(self) -> None:
        options = Options(label_selector=self._selector, resource_version=self._revision, allow_watch_bookmarks=True)
        async for event in self._client.watch(self._kind, self._namespace, options=options):
            self._revision = event.object.metadata.resourceVersion  # type: ignore[attr-defined]
            if event.type == BOOKMARK:
                continue
            if len(self._waiting) >= self._limit:
                self._fail(OverflowError(f"more than {self._limit} events of {self._kind.__name__} wait to be taken"))
                return
            self._waiting.append(event)
            self.changed.set()

    def _fail(self, failure: Exception) -> None:
        self._failure = failure
        self.changed.set()

    def take(self) -> list[WatchEvent[T]]:
        """Take all buffered events. Raises OverflowError above the limit, StatusError when the server ended the watch."""
        if self._failure is not None:
            raise self._failure
        self.changed.clear()
        taken = [*self._waiting]
        self._waiting.clear()
        return taken

    def next(self) -> WatchEvent[T] | None:
        """The first that waits; None when none does."""
        if self._failure is not None:
            raise self._failure
        if self._waiting:
            return self._waiting.popleft()
        self.changed.clear()
        return None


async def changes(changed: asyncio.Event, clock: Clock, seconds: float) -> bool:
    """Whether `changed` is set within so many seconds of the cluster's time, which is moved where it stands still."""
    if not isinstance(clock, VirtualClock) or isinstance(clock, RunningClock):
        try:
            return await wait_for(clock, changed.wait(), seconds)
        except TimeoutError:
            return False
    until = clock.monotonic() + seconds
    while not changed.is_set() and clock.monotonic() < until:
        await clock.advance(min(STEP_SECONDS, until - clock.monotonic()))
    return changed.is_set()


Run = Callable[[Coroutine[Any, Any, Any]], Any]
"""The result of a coroutine in the cluster's loop, started when the cluster is at rest."""


class Events(Generic[T]):
    """Watch events for a test. Iteration gives each event once, and ends when none comes for 30 seconds of the cluster's time."""

    def __init__(self, run: Run, clock: Clock, gathering: WatchBuffer[T], stop: Callable[[], None]) -> None:
        self._run, self._clock, self._gathering, self._stop = run, clock, gathering, stop

    def take(self) -> list[WatchEvent[T]]:
        """All events that have come and were not taken yet. OverflowError when they were too many."""
        taken: list[WatchEvent[T]] = self._run(self._take())
        return taken

    def until(self, condition: Callable[[WatchEvent[T]], object], within: str | float | timedelta = PATIENCE) -> WatchEvent[T]:
        """The first event for which `condition` holds; it and those before it are taken. TimeoutError when none comes `within` that much
        of the cluster's time, with what has come instead."""
        deadline, seen = self._clock.monotonic() + seconds(within), list[str]()
        while (event := self._next(deadline)) is not None:
            if condition(event):
                return event
            seen.append(f"{event.type} {event.object.metadata.name}")  # type: ignore[attr-defined]
        raise TimeoutError(f"no such event within {within}; there were: {', '.join(seen) or 'none'}")

    def stop(self) -> None:
        """End the watch; harmless when it has ended."""
        self._stop()

    def __iter__(self) -> Iterator[WatchEvent[T]]:
        while (event := self._next(self._clock.monotonic() + seconds(PATIENCE))) is not None:
            yield event

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    async def _take(self) -> list[WatchEvent[T]]:
        return self._gathering.take()

    def _next(self, deadline: float) -> WatchEvent[T] | None:
        """The next event, waited for until the cluster's time is `deadline`."""
        event: WatchEvent[T] | None = self._run(self._await_next(deadline))
        return event

    async def _await_next(self, deadline: float) -> WatchEvent[T] | None:
        while (event := self._gathering.next()) is None:
            if not await changes(self._gathering.changed, self._clock, deadline - self._clock.monotonic()):
                return None
        return event
