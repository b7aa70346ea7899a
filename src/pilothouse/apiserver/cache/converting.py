"""Entries in versions that take time to be made: by a conversion webhook, which is asked once for all that a reader wants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.cache.event import BOOKMARK, CacheEvent
from pilothouse.apiserver.cache.selection import Selection
from pilothouse.apiserver.cache.watch import Watch
from pilothouse.machinery.resource import Resource


async def converted(entries: Iterable[Entry], resource: Resource[Any]) -> None:
    """Return when `served` gives these entries in the version of `resource`. StatusError when they cannot be converted."""
    if resource.converter is None:
        return
    waiting = {id(entry): entry for entry in entries if not entry.is_served(resource)}
    if waiting:
        made = await resource.converter.convert([entry.object for entry in waiting.values()], resource)
        for entry, obj in zip(waiting.values(), made, strict=True):
            entry.remember(resource, obj)


class ConvertingWatch(Watch):
    """A watch whose events are converted before they are selected and handed out."""

    __slots__ = ("_chosen", "_resource")

    def __init__(self, selection: Selection, resource: Resource[Any], *, wants_bookmarks: bool = False) -> None:
        super().__init__(Selection(selection.prefix), wants_bookmarks=wants_bookmarks)
        self._chosen = selection
        self._resource = resource

    async def batch(self) -> list[CacheEvent]:
        """The next events in the version that the client watches; empty when the watch has ended. Raises what the conversion raises."""
        while events := await super().batch():
            changes = [event for event in events if event.type != BOOKMARK]
            entries = [entry for event in changes for entry in (event.entry, event.previous) if entry is not None]
            await converted(entries, self._resource)
            seen = [event if event.type == BOOKMARK else self._chosen.translate(event) for event in events]
            if found := [event for event in seen if event is not None]:
                await converted((event.entry for event in found if event.type != BOOKMARK), self._resource)
                return found
        return []
