"""The cache of one resource: its newest objects in the order of their keys, indexes, recent events and watchers.

- It shows each write once and in order; `revision` is the newest that it has been told of: others may have passed since.
- `ring` holds the events of the last minute or two (the newest RING_LEAST however old, RING_LIMIT at the most), so that a watch can go
  on where it broke off; what is older is asked of the store.
- Reading never waits: whoever needs it fresh waits with `Caches.wait_for_revision` first.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import MsgspecError
from sortedcontainers import SortedDict

from pilothouse.apiserver.cache.corrupt import CorruptValue, corrupt_value
from pilothouse.apiserver.cache.entry import Entry, RewrittenEntry, head_of
from pilothouse.apiserver.cache.event import ADDED, DELETED, MODIFIED, CacheEvent, bookmark
from pilothouse.apiserver.cache.missed import differences
from pilothouse.apiserver.cache.selection import Selection
from pilothouse.apiserver.cache.sharing import share
from pilothouse.apiserver.cache.stored import object_of
from pilothouse.apiserver.cache.watch import Watch
from pilothouse.apiserver.storage.interface import Event, Item
from pilothouse.machinery.codec import encode, set_type_meta
from pilothouse.machinery.resource import Resource

log = logging.getLogger(__name__)

RING_LIMIT = 2_000
"""Events that a resource remembers for watches that resume."""
RING_LEAST = 100
"""As many are kept however old they are; upstream's watch cache never remembers fewer either."""
WRITTEN_LIMIT = 10_000
"""Structs that may wait for their writes to come back from the store."""
DIRECT_LIMIT_BYTES = 8 << 20
"""What one change may have written to watchers at once: some milliseconds' work."""
AFTER_ALL = "\U0010ffff"

IndexOf = Callable[[Any], str]


class Cache:
    """Made by `Caches`, which feeds it."""

    def __init__(self, resource: Resource[Any], prefix: str, indexes: dict[str, IndexOf]) -> None:
        self.resource = resource
        self.prefix = prefix
        self.head = head_of(resource)
        self.loaded = False
        self.floor = 0
        self.revision = 0
        self.changed = 0
        self.received = 0
        """Events that the store has told of."""
        self.ring: deque[CacheEvent] = deque()
        self._aged = 0
        self._entries: SortedDict = SortedDict()
        self.is_empty = True
        self._indexes: dict[str, IndexOf] = indexes
        self._indexed: dict[tuple[str, str], dict[str, Entry]] = {}
        self._watches: dict[tuple[str, str] | None, dict[Watch, None]] = {}
        self._wanting: dict[Watch, None] = {}
        """The watches that want bookmarks: in process none does."""
        self._written: dict[str, tuple[bytes, Any]] = {}
        self._early: list[Event] = []
        self.corrupt: dict[str, CorruptValue] = {}
        """What the store has that cannot be decoded, by key; entries show what was there before."""

    # Reading.

    def key(self, namespace: str, name: str) -> str:
        """The store's key of an object. `namespace` is ignored for cluster-scoped resources."""
        return f"{self.prefix}{namespace}/{name}" if self.resource.namespaced else self.prefix + name

    def get(self, namespace: str, name: str) -> Entry | None:
        """The newest entry of an object, or None."""
        entry: Entry | None = self._entries.get(self.key(namespace, name))
        return entry

    def entries(self, prefix: str = "", start: str = "") -> Iterator[Entry]:
        """Entries whose keys begin with `prefix` and are not below `start`, in order."""
        prefix = prefix or self.prefix
        entries = self._entries
        keys = entries.irange(max(prefix, start), prefix + AFTER_ALL) if start or prefix != self.prefix else entries
        return map(entries.__getitem__, keys)

    def objects(self, namespace: str = "") -> list[Any]:
        """The objects of a namespace, or all."""
        return [entry.object for entry in self.entries(self.scope(namespace))] if self._entries else []

    def count(self, prefix: str, start: str) -> int:
        """How many keys begin with `prefix` and are not below `start`; nothing is walked."""
        return self._entries.bisect_left(prefix + AFTER_ALL) - self._entries.bisect_left(max(prefix, start))  # type: ignore[no-any-return]

    def scope(self, namespace: str) -> str:
        """The prefix of the keys of a namespace; of all when it is empty."""
        return f"{self.prefix}{namespace}/" if namespace else self.prefix

    def indexed(self, index: str, value: str) -> Sequence[Entry]:
        """Entries for which `index` has this value, in the order of their keys."""
        entries = self._indexed.get((index, value), {})
        return [entries[key] for key in sorted(entries)]

    def has_index(self, index: str) -> bool:
        """Whether the cache has this index."""
        return index in self._indexes

    def select(self, selection: Selection, start: str = "") -> Iterator[Entry]:
        """Selected entries, by an index where the selection names one."""
        candidates = self.candidates(selection, start)
        if selection.selects_everything:
            return candidates
        return (entry for entry in candidates if selection.matches(entry))

    def candidates(self, selection: Selection, start: str = "") -> Iterator[Entry]:
        """Entries to check for a selection: below its prefix, of its index, or of its one key."""
        if selection.key:
            entry = self._entries.get(selection.key)
            return iter([entry] if entry is not None and selection.key >= start else [])
        if selection.trigger is not None and selection.trigger[0] in self._indexes:
            indexed = self.indexed(*selection.trigger)
            return (entry for entry in indexed if entry.key >= start and entry.key.startswith(selection.prefix))
        return self.entries(selection.prefix, start)

    # Watching.

    def watch(self, watch: Watch) -> None:
        """Add a watch, which gets every event from now on."""
        group = self._watches.setdefault(watch.selection.trigger, {})
        group[watch] = None
        if watch.wants_bookmarks:
            self._wanting[watch] = None
        watch.closing.append(lambda: self._forget(watch))

    def _forget(self, watch: Watch) -> None:
        group = self._watches.get(watch.selection.trigger, {})
        group.pop(watch, None)
        self._wanting.pop(watch, None)
        if not group:
            self._watches.pop(watch.selection.trigger, None)

    def since(self, revision: int) -> list[CacheEvent]:
        """Events after `revision`, which must not be below `floor`."""
        events: list[CacheEvent] = []
        for event in reversed(self.ring):
            if event.revision <= revision:
                break
            events.append(event)
        events.reverse()
        return events

    def watches(self) -> Iterator[Watch]:
        """Every open watch, from a copy: watches may end meanwhile."""
        for group in list(self._watches.values()):
            yield from list(group)

    def send_bookmarks(self, revision: int) -> None:
        """Send a bookmark to every watch that wants one, with the revision that it has seen."""
        if self._wanting:
            event = bookmark(self.resource, self.head, revision)
            for watch in tuple(self._wanting):
                watch.offer_bookmark(event)

    def forget_old(self) -> None:
        """Drop the events that existed at the last call; called each minute."""
        while len(self.ring) > RING_LEAST and self.ring[0].revision <= self._aged:
            self.floor = self.ring.popleft().revision
        self._aged = self.revision

    # Feeding.

    def decoded(self, items: Sequence[Item]) -> list[Entry]:
        """Entries of stored items, for `load`; may be called in parts."""
        entries = map(self._entry, items)
        return [entry for entry in entries if entry is not None]

    async def converted(self, items: Sequence[Item]) -> list[Entry]:
        """The same where a webhook converts what was stored in other versions. StatusError when it does not."""
        assert self.resource.converter is not None
        others = {version.api_version: version for version in self.resource.versions}
        current = [item for item in items if item.value.startswith(self.head) or not item.value]  # what could not be decrypted is empty
        older: dict[str, list[Item]] = {}
        for item in items:
            if item.value and not item.value.startswith(self.head):
                older.setdefault(str(msgspec.json.decode(item.value).get("apiVersion")), []).append(item)
        entries = self.decoded(current)
        for api_version, stored in older.items():
            source = others.get(api_version, self.resource)
            objects = await self.resource.converter.convert([source.decoder.decode(item.value) for item in stored], self.resource)
            for item, obj in zip(stored, objects, strict=True):
                entry = RewrittenEntry.stored(self.resource, item.key, self.head, encode(obj), item.revision, item.created, obj)
                entries.append(entry)
        return entries

    def read(self, item: Item) -> Entry | CorruptValue:
        """Entry of a stored item, in today's storage version."""
        try:
            obj = object_of(self.resource, item.value)
        except (MsgspecError, ValueError, RecursionError):
            return corrupt_value(item, self.resource)
        is_changed = self.resource.read is not None and self.resource.read(obj)
        if not is_changed and item.value.startswith(self.head):
            return Entry.stored(self.resource, item.key, self.head, item.value, item.revision, item.created, obj)
        value = encode(set_type_meta(obj))  # written by another hand, or before its definition changed: all here builds on how ours begins
        return RewrittenEntry.stored(self.resource, item.key, self.head, value, item.revision, item.created, obj)

    def _entry(self, item: Item) -> Entry | None:
        """The entry of a stored value; None for one that cannot be decoded, which is noted as corrupt."""
        entry = self.read(item)
        if isinstance(entry, CorruptValue):
            self.corrupt[item.key] = entry
            log.error("a stored object cannot be decoded", extra={"key": item.key, "problem": entry.problem})
            return None
        if self.resource.compact is not None:
            self.resource.compact(entry.object)
        share(entry.object, item.value)
        self.corrupt.pop(item.key, None)
        return entry

    def load(self, entries: Sequence[Entry], listed: int, revision: int) -> None:
        """Set the initial state: all entries as of revision `listed`; `revision` is the position of the feed."""
        self._entries = SortedDict((entry.key, entry) for entry in entries)
        self.is_empty = not self._entries
        for entry in self._entries.values() if self._indexes else ():
            self._index(entry)
        self.floor = self.changed = listed
        self.revision = max(revision, listed)
        self.loaded = True
        early, self._early = self._early, []
        for event in early:
            self.apply(event)

    def replace(self, items: Sequence[Item], revision: int) -> None:
        """Replace the state by what the store has as of `revision`. Watchers get the differences; older events are dropped."""
        for event in differences(self._entries, items, revision):
            self.apply(event)
        self.ring.clear()
        self.floor = self.changed = revision
        self.revision = max(self.revision, revision)

    def remember_written(self, key: str, value: bytes, obj: Any = None) -> None:
        """Keep the struct that `value` was encoded from, so that the write need not be decoded when the store reports it.

        Without `obj` only that the value is valid.
        """
        if len(self._written) < WRITTEN_LIMIT:
            self._written[key] = (value, obj)

    def forget_written(self, key: str) -> None:
        """Drop what `remember_written` kept, because the write failed."""
        self._written.pop(key, None)

    def apply(self, event: Event) -> None:
        """Apply one write that the store reported."""
        if not self.loaded:
            self._early.append(event)
            return
        if event.revision <= self.floor:
            return
        change = self._change(event)
        if change is None:
            return
        self.changed = self.revision = event.revision
        self.received += 1
        self.ring.append(change)
        if len(self.ring) > RING_LIMIT:
            self.floor = self.ring.popleft().revision
        self._notify(change)

    def _change(self, event: Event) -> CacheEvent | None:
        previous: Entry | None = self._entries.get(event.key)
        if event.value is None:
            self.corrupt.pop(event.key, None)
            if previous is None:
                return None
            self._remove(previous)
            return CacheEvent(DELETED, previous.with_revision(event.revision), previous, event.revision)
        written = self._written.pop(event.key, None)
        if written is not None and (written[0] is event.value or written[0] == event.value):
            entry: Entry | None = Entry.stored(self.resource, event.key, self.head, event.value, event.revision, event.created, written[1])
            if self.corrupt:
                self.corrupt.pop(event.key, None)
        else:
            entry = self._entry(Item(event.key, event.value, event.revision, event.created))
        if entry is None:
            return None
        if previous is not None:
            self._remove_from_indexes(previous)
        self._put(entry)
        return CacheEvent(MODIFIED if previous else ADDED, entry, previous, event.revision)

    def _put(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
        self.is_empty = False
        self._index(entry)

    def _index(self, entry: Entry) -> None:
        for index, value_of in self._indexes.items():
            self._indexed.setdefault((index, indexed_value(value_of, entry)), {})[entry.key] = entry

    def _remove(self, entry: Entry) -> None:
        del self._entries[entry.key]
        self.is_empty = not self._entries
        self._remove_from_indexes(entry)

    def _remove_from_indexes(self, entry: Entry) -> None:
        for index, value_of in self._indexes.items():
            place = (index, indexed_value(value_of, entry))
            entries = self._indexed.get(place, {})
            entries.pop(entry.key, None)
            if not entries:
                self._indexed.pop(place, None)

    def _notify(self, change: CacheEvent) -> None:
        """Only those who may be concerned are asked: all without a trigger, and those of the index values before and after.

        A change passes here once for each of perhaps thousands of watchers, whose objects are cold: each that is touched costs.
        """
        left = DIRECT_LIMIT_BYTES
        size = len(change.entry.encoded)
        for place in self._places(change):
            group = self._watches.get(place)
            chunk = b""
            for watch in tuple(group) if group else ():
                if watch.direct is None:
                    watch.offer(change)
                    continue
                left -= size
                if left < 0:  # a large object, many watchers: the others are written to in turns
                    watch.queue_events()
                    watch.offer(change)
                elif watch.binary:
                    watch.direct(change.frame_chunk)
                else:
                    chunk = chunk or change.chunk
                    watch.direct(chunk)

    def _places(self, change: CacheEvent) -> Iterator[tuple[str, str] | None]:
        yield None
        if self.resource.namespaced:
            yield ("namespace", change.entry.namespace)
        for index, value_of in self._indexes.items():
            now = indexed_value(value_of, change.entry)
            yield (index, now)
            if change.previous is not None and (before := indexed_value(value_of, change.previous)) != now:
                yield (index, before)


def indexed_value(value_of: IndexOf, entry: Entry) -> str:
    """The value under which an index has an entry; nothing for an object that cannot be decoded, which must not fail others."""
    try:
        return value_of(entry.object)
    except MsgspecError:
        return ""
