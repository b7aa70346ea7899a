"""Writes missed while a shared store was not followed, found by comparing two states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.storage.interface import Event, Item


def differences(entries: Mapping[str, Entry], items: Sequence[Item], revision: int) -> list[Event]:
    """Writes that lead from `entries` to `items`, which are complete as of `revision`, in the order of revisions.

    Of what was written several times the last write is told; of what was deleted and made again, both.
    """
    there = {item.key: item for item in items}
    gone = [Event(key, None, revision, entry.since, entry.revision) for key, entry in entries.items() if key not in there]
    written = [event for item in items for event in _writes(entries.get(item.key), item)]
    return sorted(written, key=lambda event: event.revision) + gone


def _writes(before: Entry | None, item: Item) -> Iterator[Event]:
    if before is not None and before.revision == item.revision:
        return
    is_another = before is not None and before.since != item.created
    if before is not None and is_another:
        yield Event(item.key, None, item.created, before.since, before.revision)
    previous = 0 if before is None or is_another else before.revision
    yield Event(item.key, item.value, item.revision, item.created, previous)
