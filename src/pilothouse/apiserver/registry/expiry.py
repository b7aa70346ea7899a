"""Expiry of Events: one not seen for EVENT_SECONDS is deleted (upstream's --event-ttl).

A look every CHECK_SECONDS costs nothing while not even the oldest is due.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pilothouse.api.types.core_v1 import Event
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.apiserver.storage.interface import CompareFailed
from pilothouse.machinery import time

EVENT_SECONDS = 3600.0
CHECK_SECONDS = 60.0


async def expire_regularly(store: RegistryStore) -> None:
    """Delete expired Events until cancelled."""
    next_due = ""
    while True:
        await store.clock.sleep(CHECK_SECONDS)
        limit = time.text(store.clock.now() - timedelta(seconds=EVENT_SECONDS))
        if not next_due or next_due <= limit:
            next_due = await expire(store, limit)


async def expire(store: RegistryStore, limit: str) -> str:
    """Delete the Events last seen before `limit`. Returns the oldest time of the others, "" without any."""
    cache = await store.cache_of(Event)
    oldest = ""
    for entry in list(cache.entries()):
        seen = last_seen(entry.object)
        if seen > limit:
            oldest = min(oldest or seen, seen)
            continue
        try:
            await store.remove(entry)
        except CompareFailed:
            continue  # it was seen again meanwhile
    return oldest


def last_seen(event: Event) -> str:
    """The newest time of an Event in whole seconds of UTC, as text that sorts by time."""
    times = [event.metadata.creationTimestamp, event.lastTimestamp, event.eventTime]
    if event.series is not None:
        times.append(event.series.lastObservedTime)
    moments: list[datetime] = [time.parse(text) for text in times if text and not time.parse_error(text)]
    return time.text(max(moments)) if moments else ""
