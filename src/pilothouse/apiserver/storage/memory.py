"""The store of tests and of clusters that need not outlive their process: everything in this process's memory.

Current items are sorted by key; the events since the last compaction are kept, and a range at an old revision is the
present with those events undone. Every event has the value that it replaced, which costs nothing here. Nothing is durable.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import NamedTuple

from sortedcontainers import SortedDict

from pilothouse.apiserver.storage.interface import FIRST_REVISION, Compacted, CompareFailed, Event, FutureRevision, Item, Range
from pilothouse.apiserver.storage.watchers import Watchers

AFTER_ALL = "\U0010ffff"
"""Sorts after every character that a key may have."""
WRITES_IN_A_ROW = 8
"""A write takes no turn of the loop by itself; after so many, all other tasks have one."""


class _Write(NamedTuple):
    """One write and the item that it replaced, so that it can be undone for a look at the past."""

    event: Event
    replaced: Item | None


class MemoryStorage:
    """Storage in memory, with the history since the last compaction."""

    shared = False

    def __init__(self) -> None:
        self._items: SortedDict = SortedDict()
        self._log: list[_Write] = []
        self._revision = FIRST_REVISION
        self._compacted = FIRST_REVISION
        self._watchers = Watchers()

    async def get(self, key: str, revision: int = 0) -> Item | None:
        """A key's item as of `revision` (0: now), or None. Raises Compacted or FutureRevision."""
        self._check(revision)
        source = self._past(key, revision) if revision and revision < self._revision else self._items
        item: Item | None = source.get(key)
        return item

    async def range(self, prefix: str, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        """Items below `prefix`, from `start` on, as of `revision` (0: now); at most `limit` (0: all).

        Raises Compacted or FutureRevision.
        """
        self._check(revision)
        at = revision or self._revision
        source = self._past(prefix, at) if at < self._revision else self._items
        items: list[Item] = []
        for key in source.irange(max(prefix, start), prefix + AFTER_ALL):
            if limit and len(items) == limit:
                return Range(items, at, more=True)
            items.append(source[key])
        return Range(items, at)

    async def commit(self, key: str, value: bytes | None, expected: int | None) -> int:
        """Write or (None) delete a key whose revision is `expected`, and give the new revision.

        Raises CompareFailed. Yields to the loop every WRITES_IN_A_ROW revisions.
        """
        current: Item | None = self._items.get(key)
        present = current.revision if current else 0
        if (expected is not None and expected != present) or (value is None and current is None):
            raise CompareFailed(key, present, self._revision)
        event = self._write(key, value, current)
        self._watchers.publish((event,))
        if event.revision % WRITES_IN_A_ROW == 0:
            await asyncio.sleep(0)
        return event.revision

    def _write(self, key: str, value: bytes | None, current: Item | None) -> Event:
        self._revision += 1
        created = current.created if current else self._revision
        if value is None:
            del self._items[key]
        else:
            self._items[key] = Item(key, value, self._revision, created)
        present, replaced = (current.revision, current.value) if current else (0, None)
        event = Event(key, value, self._revision, created, present, replaced)
        self._log.append(_Write(event, current))
        return event

    async def create(self, values: Mapping[str, bytes]) -> None:
        """Write those keys that do not exist, in one batch."""
        missing = [key for key in values if key not in self._items]
        self._watchers.publish([self._write(key, values[key], None) for key in missing])

    async def watch(self, prefix: str, after: int, *, previous_values: bool = False) -> AsyncGenerator[Sequence[Event], None]:
        """Batches of events below `prefix` after revision `after`; the first at once.

        Raises Compacted. Events always carry the replaced value.
        """
        self._check(after)
        if after < self._compacted:
            raise Compacted(after, self._compacted)
        backlog = [write.event for write in self._since(after) if write.event.key.startswith(prefix)]
        async with self._watchers.watching(prefix) as watcher:
            yield backlog
            while (batch := await watcher.batch()) is not None:
                yield batch

    def follow(self, deliver: Callable[[Sequence[Event]], None], missed: Callable[[int], None] | None = None) -> Callable[[], None]:
        """Call `deliver` with every batch of writes before their commits return. Gives the function that ends this."""
        return self._watchers.follow(deliver)

    async def compact(self, revision: int) -> None:
        """Forget what was overwritten or deleted before `revision`. Raises FutureRevision."""
        if revision > self._revision:
            raise FutureRevision(revision, self._revision)
        if revision > self._compacted:
            self._compacted = revision
            self._log = list(self._since(revision))

    async def revision(self) -> int:
        """The newest revision."""
        return self._revision

    async def close(self) -> None:
        """End all watches."""
        self._watchers.close()

    def _check(self, revision: int) -> None:
        if revision > self._revision:
            raise FutureRevision(revision, self._revision)
        if revision and revision < self._compacted:
            raise Compacted(revision, self._compacted)

    def _since(self, after: int) -> Sequence[_Write]:
        return self._log[bisect_right(self._log, after, key=lambda entry: entry.event.revision) :]

    def _past(self, prefix: str, at: int) -> SortedDict:
        """The items of `prefix` as of a revision: today's, with what happened since undone from the newest to the oldest."""
        items: SortedDict = SortedDict((key, self._items[key]) for key in self._items.irange(prefix, prefix + AFTER_ALL))
        for write in reversed(self._since(at)):
            if not write.event.key.startswith(prefix):
                continue
            if write.replaced is None:
                items.pop(write.event.key, None)
            else:
                items[write.event.key] = write.replaced
        return items
