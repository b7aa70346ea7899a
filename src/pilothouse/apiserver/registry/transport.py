"""In-process transport: client calls go to the registry as objects, which are shared and not copied.

A call in process is a request as one over HTTP is: its user is authorized, it is audited, and admission sees it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec

from pilothouse import API_LEVEL
from pilothouse.apiserver.audit.auditor import Asked, AuditContext, Auditor
from pilothouse.apiserver.auth.authorizer import Authorizer
from pilothouse.apiserver.auth.decisions import Decisions, attributes_of
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.cache.entry import Entry, EntryList
from pilothouse.apiserver.cache.event import CacheEvent
from pilothouse.client.call import Call, ListResult, WatchEvent
from pilothouse.client.paths import path_of, query_of
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.codec import clone, encode
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import Status

AGENT = f"pilothouse/v{API_LEVEL}"
LOOPBACK = "127.0.0.1"
"""Where calls in process come from."""


class Executor(Protocol):
    """The parts of a registry that the transport needs."""

    authorizer: Authorizer | None
    auditor: Auditor | None
    catalogue: Catalogue

    async def execute(self, call: Call, user: User, *, annotations: dict[str, str] | None = None) -> Entry | EntryList | Status:
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
        context = self._context_of(call)
        if context is None:
            return await self._call(call)
        try:
            _note_body(context, call)
            result = await self._call(call, context)
            _note_result(context, call, result)
            return result
        except StatusError as error:
            context.responded(error.status.code, error.status, encode(error.status))
            raise
        finally:
            context.completed()
            await context.kept()

    def _context_of(self, call: Call) -> AuditContext | None:
        """The context of a call that is to be recorded; its first stage has been told."""
        auditor = self._registry.auditor
        if auditor is None:
            return None
        attributes, query = attributes_of(call), query_of(call)
        uri = path_of(call) + (f"?{query}" if query else "")
        context = auditor.begin(self._user, Asked(attributes, uri, AGENT, (LOOPBACK,), auditor.clock.now()))
        if context is not None:
            context.received()
        return context

    async def _check(self, call: Call, context: AuditContext | None) -> None:
        """StatusError 403 when the user may not; what is recorded of the call has the reason."""
        if context is None and not self._decisions.wait:
            self._decisions.check(call)  # what is remembered costs one look-up
            return
        decision = await self._decisions.decide(call)
        if context is not None:
            context.decided(allowed=decision.allowed, reason=decision.reason)
        self._decisions.require(call, decision)

    async def _call(self, call: Call, context: AuditContext | None = None) -> Any:
        await self._check(call, context)
        if call.body is not None and not isinstance(call.body, bytes):
            call = call.with_body(clone(call.body))
        if context is None:
            result = await self._registry.execute(call, self._user)
        else:
            result = await self._registry.execute(call, self._user, annotations=context.annotations)
        if isinstance(result, Entry):
            return result.object
        if isinstance(result, EntryList):
            items = [entry.object for entry in result.entries]
            return ListResult(items, str(result.revision), result.continue_, result.remaining)
        return result

    async def watch(self, call: Call) -> AsyncIterator[WatchEvent[Any]]:
        """Events of a resource with committed objects, which are shared. Raises StatusError."""
        context = self._context_of(call)
        try:
            await self._check(call, context)
            if context is not None:
                context.started(200)
            async for event in self._registry.watch(call, self._user):
                yield WatchEvent(event.type, event.entry.object)
        except StatusError as error:
            if context is not None:
                context.responded(error.status.code, error.status, encode(error.status))
            raise
        finally:
            if context is not None:
                context.completed()


def _note_body(context: AuditContext, call: Call) -> None:
    if isinstance(call.body, bytes):
        context.patched(call.body)
    elif call.body is not None:
        context.requested(call.body, getattr(call.body, "metadata", None))


def _note_result(context: AuditContext, call: Call, result: Any) -> None:
    code = 201 if call.verb == "create" else 200
    if isinstance(result, Status):
        context.responded(result.code or code, result, encode(result))
        return
    body = b""
    if context.scope.has_responses:
        if isinstance(result, ListResult):
            head = {"kind": f"{call.resource.kind}List", "apiVersion": call.resource.api_version}
            items = [msgspec.Raw(encode(item)) for item in result.items]
            body = encode({**head, "metadata": {"resourceVersion": result.resource_version}, "items": items})
        else:
            body = encode(result)
    context.responded(code, None, body)
