"""In-process transport: client calls go to the registry as objects, which are shared and not copied.

A call in process is a request as one over HTTP is: its user is authorized, it is audited, and admission sees it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from pilothouse.apiserver.auth.authorizer import Auditor, Authorizer
from pilothouse.apiserver.auth.decisions import Decisions, attributes_of
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.cache.entry import Entry, EntryList
from pilothouse.apiserver.cache.event import CacheEvent
from pilothouse.client.call import Call, ListResult, WatchEvent
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import Status


class Executor(Protocol):
    """The parts of a registry that the transport needs."""

    authorizer: Authorizer | None
    auditor: Auditor | None
    catalogue: Catalogue

    async def execute(self, call: Call, user: User) -> Entry | EntryList | Status:
        """Answer one call as `user`. Raises StatusError."""

    def watch(self, call: Call, user: User) -> AsyncIterator[CacheEvent]:
        """Events of a resource as `user`. Raises StatusError."""


class InProcessTransport:
    """Transport of clients in the API server's own process, each call under its user's identity."""

    bookmarks = False
    """Watches in process do not break as connections do: their place need not be kept young once a minute, which an idle day of
    virtual time would spend a quarter of its work on. One that falls behind resumes from the store's history, or lists again."""

    def __init__(self, registry: Executor, user: User) -> None:
        self._registry = registry
        self._user = user
        self.catalogue = registry.catalogue
        self._decisions = Decisions(user, registry.authorizer)

    async def call(self, call: Call) -> Any:
        """Answer a call with committed objects, which are shared. Raises StatusError; the call is audited in either case."""
        if self._registry.auditor is None:
            return await self._call(call)
        code = 500
        try:
            result = await self._call(call)
            code = 201 if call.verb == "create" else 200
            return result
        except StatusError as error:
            code = error.status.code
            raise
        finally:
            self._registry.auditor(self._user, attributes_of(call), code)

    async def _call(self, call: Call) -> Any:
        if self._decisions.wait:
            await self._decisions.decide(call)
        else:
            self._decisions.check(call)
        if call.body is not None and not isinstance(call.body, bytes):
            call = call.with_body(clone(call.body))
        result = await self._registry.execute(call, self._user)
        if isinstance(result, Entry):
            return result.object
        if isinstance(result, EntryList):
            items = [entry.object for entry in result.entries]
            return ListResult(items, str(result.revision), result.continue_, result.remaining)
        return result

    async def watch(self, call: Call) -> AsyncIterator[WatchEvent[Any]]:
        """Events of a resource with committed objects, which are shared. Raises StatusError."""
        if self._decisions.wait:
            await self._decisions.decide(call)
        else:
            self._decisions.check(call)
        if self._registry.auditor is not None:
            self._registry.auditor(self._user, attributes_of(call), 200)
        async for event in self._registry.watch(call, self._user):
            yield WatchEvent(event.type, event.entry.object)
