"""Conversion of entries by webhook, with one call for all entries of a reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pilothouse.apiserver.cache.corrupt import CorruptValue
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.cache.event import BOOKMARK, CacheEvent
from pilothouse.apiserver.cache.selection import Selection
from pilothouse.apiserver.cache.watch import Watch
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.resource import Resource

Refuse = Callable[[Resource[Any], Sequence[CorruptValue]], StatusError]
"""What a reader is told of values that it cannot have: to upstream one that cannot be converted is one that cannot be decoded."""


async def converted(entries: Iterable[Entry], resource: Resource[Any], refuse: Refuse | None = None) -> None:
    """Wait until these entries are available in the version of `resource`. Raises the StatusError of `refuse`, or of the converter."""
    if resource.converter is None:
        return
    waiting = {id(entry): entry for entry in entries if not entry.is_served(resource)}
    if not waiting:
        return
    try:
        made = await resource.converter.convert([entry.object for entry in waiting.values()], resource)
    except StatusError as error:
        if refuse is None:
            raise
        values = [CorruptValue(entry.key, entry.revision, error.status.message) for entry in waiting.values()]
        raise refuse(resource, values) from error
    for entry, obj in zip(waiting.values(), made, strict=True):
        entry.remember(resource, obj)


def unreadable(resource: Resource[Any], values: Sequence[CorruptValue]) -> StatusError:
    """Error for a get or delete of an object that cannot be decoded."""
    return values[0].unreadable()


def unchangeable(resource: Resource[Any], values: Sequence[CorruptValue]) -> StatusError:
    """Error for an update or patch of an object that cannot be decoded."""
    return values[0].unchangeable()


class ConvertingWatch(Watch):
    """A watch that converts events before selecting and returning them."""

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
            if selected := [event for event in seen if event is not None]:
                await converted((event.entry for event in selected if event.type != BOOKMARK), self._resource)
                return selected
        return []
