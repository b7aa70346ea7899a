"""A store over a store: values are encrypted on their way in, and decrypted on their way out, as `Encryption` says for their resource.

- What the configuration does not name passes as it is, at the price of a look-up by key.
- A value that cannot be decrypted comes out as `Undecryptable`: it fails its own object, and no other.
- Where a plugin must decrypt a seed first, what the store tells of waits in its order; reads wait by themselves.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import cast

from pilothouse.apiserver.storage.encryption.effective import Encryption
from pilothouse.apiserver.storage.encryption.transformers import UNENCRYPTED, GroupResource
from pilothouse.apiserver.storage.encryption.transforming import (
    ENCRYPTED,
    Context,
    KeyMissing,
    Opened,
    TransformationFailed,
    Transformer,
    Undecryptable,
)
from pilothouse.apiserver.storage.interface import Event, Item, NotTransformable, Range, SharedStorage, Storage

log = logging.getLogger(__name__)

Deliver = Callable[[Sequence[Event]], None]
ROOT = "/registry"
ITEMS_AT_ONCE = 200
"""Values that are decrypted in one turn of the loop."""


class Resources:
    """Which resource a key is of: the table of those that are built in, by their place in the store; others bear group and plural."""

    def __init__(self, places: Mapping[str, GroupResource]) -> None:
        self._places = places

    def of(self, key: str) -> tuple[str, GroupResource | None]:
        """The part of a key that names its resource, and the resource; None for what is no object of the API."""
        parts = key.split("/", 4)
        first = parts[2] if len(parts) > 2 else ""
        if (known := self._places.get(first)) is not None:
            return first, known
        if len(parts) < 5:
            return key, None
        place = f"{first}/{parts[3]}"
        if (known := self._places.get(place)) is not None:
            return place, known
        return place, GroupResource(parts[3], first) if "." in first else None


class EncryptedStorage:
    """Storage whose values are encrypted in `inner`. `prefix` is what stands for `/registry` in front of the keys of the store."""

    def __init__(self, inner: Storage, encryption: Encryption, places: Mapping[str, GroupResource], prefix: str = ROOT) -> None:
        self.inner = inner
        self.shared = inner.shared
        self.encryption = encryption
        self._resources = Resources(places)
        self._prefix = prefix
        self._transformers: dict[str, tuple[Transformer | None, str]] = {}
        encryption.changed.append(self._transformers.clear)
        self._sealed: dict[str, tuple[bytes, bytes]] = {}
        """What is being written, encrypted and in plain, by key: it need not be decrypted when the store tells of it."""
        self._feeds: set[_Feed] = set()

    # Transforming.

    def _of(self, key: str) -> tuple[Transformer | None, str]:
        """The transformer of a key (None: values stay as they are), and its resource as metrics name it."""
        parts = key.split("/", 4)
        known = self._transformers.get(parts[2]) if len(parts) > 2 else None
        if known is None and len(parts) > 3:
            known = self._transformers.get(f"{parts[2]}/{parts[3]}")
        if known is None:
            place, resource = self._resources.of(key)
            transformer = None if resource is None else self.encryption.transformer_of(resource)
            known = (transformer, str(resource))
            if resource is not None:
                self._transformers[place] = known
        return known

    def _context(self, key: str, resource: str) -> Context:
        """What is authenticated with a value: its key as the store has it."""
        place = key if self._prefix == ROOT else self._prefix + key.removeprefix(ROOT)
        return Context(place.encode("utf-8", "surrogateescape"), resource)

    def _seal(self, key: str, value: bytes) -> bytes:
        transformer, resource = self._of(key)
        if transformer is None:
            return value
        try:
            return transformer.seal(value, self._context(key, resource))
        except TransformationFailed as failed:
            log.error("failed to encrypt data", extra={"problem": str(failed), "resource": resource})
            raise NotTransformable(str(failed)) from failed

    def _open(self, key: str, value: bytes) -> Opened:
        """A stored value in plain, `Undecryptable` when that cannot be had. KeyMissing."""
        transformer, resource = self._of(key)
        if transformer is None:
            if not value.startswith(ENCRYPTED):
                return Opened(value, stale=False)
            transformer = UNENCRYPTED
        try:
            return transformer.open(value, self._context(key, resource))
        except KeyMissing:
            raise
        except TransformationFailed as failed:
            log.error("failed to decrypt data", extra={"problem": str(failed), "key": key})
            return Opened(Undecryptable(str(failed)), stale=False)

    async def _opened(self, key: str, value: bytes) -> Opened:
        """The same, having asked a plugin where that is needed."""
        try:
            return self._open(key, value)
        except KeyMissing as missing:
            try:
                await missing.fetch()
                return self._open(key, value)
            except TransformationFailed as failed:
                log.error("failed to decrypt data", extra={"problem": str(failed), "key": key})
                return Opened(Undecryptable(str(failed)), stale=False)

    def _passes(self, key: str, value: bytes | None) -> bool:
        """Whether a value is what is stored: nothing is to be done."""
        return value is None or (self._of(key)[0] is None and not value.startswith(ENCRYPTED))

    def _event(self, event: Event) -> Event:
        """An event in plain. KeyMissing."""
        own = self._sealed.get(event.key) if self._sealed else None
        if own is not None and own[0] is event.value and event.previous_value is None:
            return Event(event.key, own[1], event.revision, event.created, event.previous)
        if self._passes(event.key, event.value) and self._passes(event.key, event.previous_value):
            return event
        value, previous = event.value, event.previous_value
        if value is not None:
            value = own[1] if own is not None and own[0] == value else self._open(event.key, value).value
        if previous is not None:
            previous = self._open(event.key, previous).value
        return event._replace(value=value, previous_value=previous)

    async def plain(self, events: Sequence[Event]) -> list[Event]:
        """Events in plain, having asked a plugin where that is needed."""
        told: list[Event] = []
        for event in events:
            try:
                told.append(self._event(event))
            except KeyMissing:
                value = None if event.value is None else (await self._opened(event.key, event.value)).value
                previous = None if event.previous_value is None else (await self._opened(event.key, event.previous_value)).value
                told.append(event._replace(value=value, previous_value=previous))
        return told

    def quickly(self, events: Sequence[Event]) -> Sequence[Event]:
        """Events in plain; the same sequence when nothing is encrypted in it. KeyMissing."""
        return [self._event(event) for event in events]

    # Storage.

    async def get(self, key: str, revision: int = 0) -> Item | None:
        """As the store's own, in plain."""
        item = await self.inner.get(key, revision)
        if item is None or self._passes(key, item.value):
            return item
        return item._replace(value=(await self._opened(key, item.value)).value)

    async def is_stale(self, key: str) -> bool:
        """Whether what is stored of a key should be written anew although the object is the same: another key or provider is to be used."""
        if self._of(key)[0] is None:
            return False
        item = await self.inner.get(key)
        return item is not None and (await self._opened(key, item.value)).stale

    async def range(self, prefix: str, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        """As the store's own, in plain."""
        page = await self.inner.range(prefix, start, limit, revision)
        items = page.items
        first = next((index for index, item in enumerate(items) if not self._passes(item.key, item.value)), len(items))
        if first == len(items):
            return page
        plain = list(items[:first])
        for count, item in enumerate(items[first:], 1):
            if self._passes(item.key, item.value):
                plain.append(item)
                continue
            plain.append(item._replace(value=(await self._opened(item.key, item.value)).value))
            if count % ITEMS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return Range(plain, page.revision, page.more)

    async def commit(self, key: str, value: bytes | None, expected: int | None) -> int:
        """As the store's own; NotTransformable when the value cannot be encrypted."""
        if value is None or self._of(key)[0] is None:
            return await self.inner.commit(key, value, expected)
        sealed = self._sealed[key] = (self._seal(key, value), value)
        try:
            return await self.inner.commit(key, sealed[0], expected)
        finally:
            if self._sealed.get(key) is sealed:
                del self._sealed[key]

    async def create(self, values: Mapping[str, bytes]) -> None:
        """As the store's own; NotTransformable when a value cannot be encrypted."""
        await self.inner.create({key: self._seal(key, value) for key, value in values.items()})

    async def watch(self, prefix: str, after: int, *, previous_values: bool = False) -> AsyncGenerator[Sequence[Event], None]:
        """As the store's own, in plain."""
        feed = cast("AsyncGenerator[Sequence[Event], None]", self.inner.watch(prefix, after, previous_values=previous_values))
        try:
            async for events in feed:
                yield await self.plain(events)
        finally:
            await feed.aclose()

    def follow(self, deliver: Deliver, missed: Callable[[int], None] | None = None) -> Callable[[], None]:
        """As the store's own, in plain and in order."""
        feed = _Feed(self, deliver)
        self._feeds.add(feed)
        unfollow = self.inner.follow(feed.take, missed)

        def end() -> None:
            unfollow()
            feed.end()
            self._feeds.discard(feed)

        return end

    async def compact(self, revision: int) -> None:
        """As the store's own."""
        await self.inner.compact(revision)

    async def revision(self) -> int:
        """As the store's own."""
        return await self.inner.revision()

    async def close(self) -> None:
        """Close the store, and the connections to plugins."""
        for feed in self._feeds:
            feed.end()
        await self.inner.close()
        await self.encryption.close()

    # SharedStorage.

    @property
    def allocated(self) -> int:
        """As the store's own."""
        return cast("SharedStorage", self.inner).allocated

    async def commit_allocating(self, key: str, value: bytes, expected: int, allocated: int) -> int:
        """As the store's own; NotTransformable when the value cannot be encrypted."""
        return await cast("SharedStorage", self.inner).commit_allocating(key, self._seal(key, value), expected, allocated)


class _Feed:
    """One follower. Batches whose values need a plugin wait in a queue, and what comes after them behind them."""

    def __init__(self, storage: EncryptedStorage, deliver: Deliver) -> None:
        self._storage = storage
        self._deliver = deliver
        self._waiting: deque[Sequence[Event]] = deque()
        self._working: asyncio.Task[None] | None = None

    def take(self, events: Sequence[Event]) -> None:
        """Deliver a batch at once where nothing is in the way."""
        if not self._waiting:
            try:
                self._deliver(self._storage.quickly(events))
                return
            except KeyMissing:
                pass
        self._waiting.append(events)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(), name="events that wait for a KMS plugin")

    async def _work(self) -> None:
        while self._waiting:
            self._deliver(await self._storage.plain(self._waiting[0]))
            self._waiting.popleft()

    def end(self) -> None:
        """Deliver no more."""
        self._waiting.clear()
        if self._working is not None:
            self._working.cancel()
