"""Watch caches of an API server, all fed by one watch of the store.

- One feed, one order: when `revision` is N, every cache shows every write up to N.
- A resource is read from the store when it is first asked for; until then its events cost nothing.
- A resource that the catalogue serves no longer is forgotten, and its watches end.
- When the store has forgotten writes that it had not told of, the caches are read anew, and what differs is told to watchers.
- Each BOOKMARK_SECONDS bookmarks go out, and events that no watch is likely to resume from are forgotten.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.apiserver.cache.cache import Cache
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.cache.event import ADDED, DELETED, MODIFIED, CacheEvent
from pilothouse.apiserver.storage.encryption.transforming import Undecryptable
from pilothouse.apiserver.storage.interface import Compacted, Event, Storage, StorageFailed
from pilothouse.kit.clock import Clock
from pilothouse.machinery.catalogue import DELETED as REMOVED
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.errors import expired, internal_error, no_such_resource
from pilothouse.machinery.resource import Resource

log = logging.getLogger(__name__)

ROOT = "/registry/"
BOOKMARK_SECONDS = 60.0
CATCH_UP_SECONDS = 1.0
"""After a failure to read the caches anew."""
DECODED_AT_ONCE = 100
"""Stored objects that are decoded in one turn of the loop: a restart among thousands must not keep others waiting."""


def prefix_of(resource: Resource[Any]) -> str:
    """Key prefix of a resource in upstream's layout.

    `/registry/deployments/`, `/registry/minions/`; custom resources have their group in it.
    """
    return f"{ROOT}{resource.strategy.storage_prefix or resource.plural}/"


class Caches:
    """All watch caches of an API server."""

    def __init__(self, storage: Storage, clock: Clock, catalogue: Catalogue) -> None:
        self.storage = storage
        self.clock = clock
        self.catalogue = catalogue
        self.revision = 0
        self._by_prefix: dict[str, Cache] = {}
        self._by_resource: dict[Resource[Any], Cache] = {}
        self._loading: dict[Cache, asyncio.Future[None]] = {}
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._unfollow: Callable[[], None] | None = None
        self._failed: asyncio.Future[None] | None = None
        self._missed: asyncio.Event = asyncio.Event()
        self._kept: list[Event] | None = None
        """What the store tells of while the caches are read anew."""
        catalogue.subscribe(self._catalogue_changed)

    def _catalogue_changed(self, what: str, resource: Resource[Any]) -> None:
        """Forget the cache of a resource that is served no longer, in one of its versions; watches of it end."""
        cache = self._by_resource.pop(resource.stored_as or resource, None) if what == REMOVED else None
        if cache is None:
            return
        del self._by_prefix[cache.prefix]
        for watch in cache.watches():
            watch.end()

    def peek(self, resource: Resource[Any]) -> Cache:
        """Cache of a resource in any version, loaded or not. Raises NotFound for a custom resource that is no longer served."""
        stored = resource.stored_as or resource
        cache = self._by_resource.get(stored)
        if cache is None:
            stored = self._current(stored)
            prefix = prefix_of(stored)
            cache = self._by_prefix.get(prefix) or Cache(stored, prefix, stored.indexes)
            self._by_resource[stored] = self._by_prefix[prefix] = cache
        return cache

    def _current(self, stored: Resource[Any]) -> Resource[Any]:
        """The stored form that takes the place of this one, if its definition has changed while a request was under way."""
        if not stored.is_hub:
            return stored
        for version in stored.versions:
            served = self.catalogue.by_plural(version.group, version.version, version.plural)
            if served is not None:
                return served.stored_as or served
        raise no_such_resource()

    async def of(self, resource: Resource[Any]) -> Cache:
        """The loaded cache of a resource in any version."""
        cache = self.peek(resource)
        while not cache.loaded:
            loading = self._loading.get(cache)
            if loading is None:
                await self._load(cache)
            else:
                await asyncio.shield(loading)
        return cache

    async def _load(self, cache: Cache) -> None:
        self._loading[cache] = done = asyncio.get_running_loop().create_future()
        try:
            listed = await self.storage.range(cache.prefix)
            entries: list[Entry] = []
            for start in range(0, len(listed.items), DECODED_AT_ONCE):
                if start:
                    await self.clock.sleep(0)
                items = listed.items[start : start + DECODED_AT_ONCE]
                entries += cache.decoded(items) if cache.resource.converter is None else await cache.converted(items)
            cache.load(entries, listed.revision, self.revision)
        finally:
            del self._loading[cache]
            done.set_result(None)

    async def start(self) -> None:
        """Start following the store."""
        if self._unfollow is None:
            self._failed = asyncio.get_running_loop().create_future()
            self._unfollow = self.storage.follow(self._take, self._miss)
            self.revision = max(self.revision, await self.storage.revision())

    async def run(self) -> None:
        """Follow the store and send bookmarks until cancelled."""
        await self.start()
        assert self._failed is not None
        assert self._unfollow is not None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send_bookmarks(), name="bookmarks")
                if self.storage.shared:
                    group.create_task(self._catch_up(), name="caches that missed something")
                await self._failed
        finally:
            self._unfollow()

    def _take(self, batch: Sequence[Event]) -> None:
        """A batch of writes; what fails here ends `run`, not the store."""
        assert self._failed is not None
        if self._failed.done():
            return
        try:
            self._deliver(batch)
        except Exception as error:
            self._failed.set_exception(error)

    def _miss(self, revision: int) -> None:
        """Writes up to this revision will not be told: what follows is kept until the caches have been read anew."""
        log.warning("the store has forgotten writes that it had not told of: the caches are read anew", extra={"revision": revision})
        self._kept = self._kept or []
        self._missed.set()

    async def _catch_up(self) -> None:
        """Read the caches anew whenever something was missed, until cancelled."""
        while True:
            await self._missed.wait()
            self._missed.clear()
            try:
                for cache in self.loaded():
                    listed = await self.storage.range(cache.prefix)
                    cache.replace(listed.items, listed.revision)
            except (StorageFailed, Compacted) as error:
                log.warning("the caches could not be read anew: %s", error)
                await self.clock.sleep(CATCH_UP_SECONDS)
                self._missed.set()
            if not self._missed.is_set() and self._kept is not None:
                kept, self._kept = self._kept, None
                self._take(kept)

    def _deliver(self, batch: Sequence[Event]) -> None:
        if self._kept is not None:
            self._kept += batch
            return
        for event in batch:
            cache = self._cache_of(event.key)
            if cache is not None and (cache.loaded or cache in self._loading):
                cache.apply(event)
            self.revision = event.revision
        while self._waiters and self._waiters[0][0] <= self.revision:
            future = heapq.heappop(self._waiters)[2]
            if not future.done():
                future.set_result(None)

    def loaded(self) -> list[Cache]:
        """Caches that have been loaded."""
        return [cache for cache in list(self._by_resource.values()) if cache.loaded]

    def revision_of(self, cache: Cache) -> int:
        """Revision up to which a cache is complete."""
        return max(cache.revision, self.revision)

    def _cache_of(self, key: str) -> Cache | None:
        """The first or the first two segments after the root name the resource: no group of custom resources has the name of a plural."""
        parts = key.split("/", 4)
        return self._by_prefix.get(f"{ROOT}{parts[2]}/") or (
            self._by_prefix.get(f"{ROOT}{parts[2]}/{parts[3]}/") if len(parts) > 3 else None
        )

    async def wait_for_revision(self, revision: int) -> None:
        """Wait until every cache shows `revision`."""
        if revision <= self.revision:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (revision, next(self._order), waiter))
        await waiter

    async def history(self, cache: Cache, after: int, until: int) -> list[CacheEvent]:
        """Events of a resource from the store, after a revision that the cache no longer has, up to `until`.

        StatusError Expired when the store has forgotten them, too.
        """
        feed = self.storage.watch(cache.prefix, after, previous_values=True)
        try:
            batch = await anext(feed)
        except Compacted as error:
            raise expired(too_old(after, error.oldest)) from error
        finally:
            await feed.aclose()  # type: ignore[attr-defined]
        return [self._past(cache, event) for event in batch if event.revision <= until]

    def _past(self, cache: Cache, event: Event) -> CacheEvent:
        """A write of the past as watchers see it; StatusError Expired when what it replaced is forgotten."""
        previous = None
        for value in (event.value, event.previous_value):
            if isinstance(value, Undecryptable):
                problem = f"data from the storage is not transformable revision=0: {value.problem}"
                raise internal_error(f"failed to prepare current and previous objects: {problem}")
        if event.previous:
            if event.previous_value is None:
                raise expired(too_old(event.previous, event.revision))
            previous = Entry.stored(cache.resource, event.key, cache.head, event.previous_value, event.previous, event.created)
        if event.value is None:
            assert previous is not None, "what is deleted was there"
            return CacheEvent(DELETED, previous.with_revision(event.revision), previous, event.revision)
        entry = Entry.stored(cache.resource, event.key, cache.head, event.value, event.revision, event.created)
        return CacheEvent(MODIFIED if event.previous else ADDED, entry, previous, event.revision)

    async def _send_bookmarks(self) -> None:
        while True:
            await self.clock.sleep(BOOKMARK_SECONDS)
            for cache in list(self._by_resource.values()):
                cache.send_bookmarks(self.revision_of(cache))
                cache.forget_old()


def too_old(revision: int, oldest: int) -> str:
    """Message of the 410 for a resource version that is older than the oldest event.

    As errors.NewResourceExpired of upstream's watch cache.
    """
    return f"too old resource version: {revision} ({oldest})"
