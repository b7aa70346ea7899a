"""Delivery of writes to the watchers of an embedded store: shared by the drivers that live in this process.

- `publish` is called once a batch, in the order of revisions; each watcher gets what concerns its prefix.
- A watcher that does not read may not hold the store up: its backlog is bounded, and it is told `Compacted` beyond that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from pilothouse.apiserver.storage.interface import Compacted, Event

BACKLOG_LIMIT = 100_000
"""Events that may wait for a watcher that does not read."""


class Watcher:
    """One watch of a prefix: a bounded list that is filled by the store and emptied by the reader."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._waiting: list[Event] = []
        self._lost = 0
        self._closed = False
        self._wake = asyncio.Event()

    def push(self, events: Sequence[Event]) -> None:
        """Queue the events below the watched prefix.

        Above BACKLOG_LIMIT all are dropped, and the reader gets Compacted with the last revision that it lost.
        """
        mine = [event for event in events if event.key.startswith(self.prefix)]
        if not mine:
            return
        self._waiting.extend(mine)
        if len(self._waiting) > BACKLOG_LIMIT:
            self._lost = self._waiting[-1].revision
            self._waiting.clear()
        self._wake.set()

    def end(self) -> None:
        """End the watch; the reader gets what is queued first."""
        self._closed = True
        self._wake.set()

    async def batch(self) -> list[Event] | None:
        """What waits, as soon as something does; None at the end."""
        while not self._waiting:
            if self._lost:
                raise Compacted(0, self._lost)
            if self._closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        taken, self._waiting = self._waiting, []
        return taken


class Watchers:
    """All watches of a store."""

    def __init__(self) -> None:
        self._all: set[Watcher] = set()
        self._followers: dict[Callable[[Sequence[Event]], None], None] = {}

    def follow(self, deliver: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Call `deliver` with every batch of writes, in the order of revisions; returns what ends that."""
        self._followers[deliver] = None
        return lambda: self._followers.pop(deliver, None)

    def publish(self, events: Sequence[Event]) -> None:
        """Tell everybody of a batch."""
        for deliver in tuple(self._followers):
            deliver(events)
        for watcher in self._all:
            watcher.push(events)

    def close(self) -> None:
        """End all watches."""
        for watcher in self._all:
            watcher.end()

    @asynccontextmanager
    async def watching(self, prefix: str) -> AsyncIterator[Watcher]:
        """A watcher of everything that is published from now on."""
        watcher = Watcher(prefix)
        self._all.add(watcher)
        try:
            yield watcher
        finally:
            self._all.discard(watcher)
