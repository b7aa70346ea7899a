"""The in-process transport: a client's calls go straight to the registry, committed objects are shared, not copied."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Protocol

from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.cache.entry import Entry, EntryList
from pilothouse.apiserver.cache.event import CacheEvent
from pilothouse.client.call import Call, ListResult, WatchEvent
from pilothouse.machinery.codec import clone
from pilothouse.machinery.meta_v1 import Status


class Executor(Protocol):
    """What the transport needs of a registry."""

    async def execute(self, call: Call, user: User) -> Entry | EntryList | Status: ...

    def watch(self, call: Call, user: User) -> AsyncIterator[CacheEvent]: ...


class InProcessTransport:
    """See client.call.Transport."""

    bookmarks = False
    """Watches in process do not break as connections do: their place need not be kept young once a minute, which an idle day of
    virtual time would spend a quarter of its work on. One that falls behind resumes from the store's history, or lists again."""

    def __init__(self, registry: Executor, user: User) -> None:
        self._registry = registry
        self._user = user

    async def call(self, call: Call) -> Any:
        if call.body is not None and not isinstance(call.body, bytes):
            call = replace(call, body=clone(call.body))
        result = await self._registry.execute(call, self._user)
        if isinstance(result, Entry):
            return result.object
        if isinstance(result, EntryList):
            items = [one.object for one in result.entries]
            return ListResult(items, str(result.revision), result.continue_, result.remaining)
        return result

    async def watch(self, call: Call) -> AsyncIterator[WatchEvent[Any]]:
        async for event in self._registry.watch(call, self._user):
            yield WatchEvent(event.type, event.entry.object)
