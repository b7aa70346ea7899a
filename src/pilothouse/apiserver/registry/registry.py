"""Registry: executes API calls against the store and the watch caches. One per API server.

- It owns the caches and the way to the store; `run` must run while calls are made.
- Who calls has been authenticated and authorized: over HTTP by the chain, in process by the transport.
- An object in a call's body is the registry's to change. Entries that come out are shared: nobody may change them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping
from typing import Any

from pilothouse.api.catalogue import built_in
from pilothouse.api.core.connectoptions import EXCHANGED, ConnectOptions
from pilothouse.apiserver.admission.order import ORDER
from pilothouse.apiserver.admission.plugin import CONNECT, Plugin
from pilothouse.apiserver.audit.auditor import Auditor
from pilothouse.apiserver.auth.authorizer import Authorizer
from pilothouse.apiserver.auth.user import APISERVER, User
from pilothouse.apiserver.cache.entry import Entry, EntryList
from pilothouse.apiserver.cache.event import CacheEvent
from pilothouse.apiserver.cache.watch import Watch
from pilothouse.apiserver.extensions.converter import Calling
from pilothouse.apiserver.extensions.definitions import Definitions
from pilothouse.apiserver.extensions.metrics import ConversionMetrics
from pilothouse.apiserver.registry import (
    bootstrap,
    componentstatus,
    create,
    delete,
    listing,
    managers,
    poststart,
    strategy,
    subresource,
    update,
    watching,
)
from pilothouse.apiserver.registry.compaction import compact_by_interval, compact_regularly
from pilothouse.apiserver.registry.expiry import expire_regularly
from pilothouse.apiserver.registry.masterleases import MasterLeases
from pilothouse.apiserver.registry.patch import patch
from pilothouse.apiserver.registry.poststart.hook import Hook
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.apiserver.registry.store import RegistryStore, Review, TokenIssuer, unstored_entry
from pilothouse.apiserver.registry.storefailures import status_of
from pilothouse.apiserver.registry.transport import InProcessTransport
from pilothouse.apiserver.registry.view import MAIN
from pilothouse.apiserver.storage.interface import Storage, StorageFailed
from pilothouse.client.call import Call
from pilothouse.kit import plugins as discovery
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.errors import method_not_supported
from pilothouse.machinery.meta_v1 import Status
from pilothouse.machinery.resource import Resource

COMPONENTS = ("", "componentstatuses")
Result = Entry | EntryList | Status


class Registry:
    """Executes API calls. One per API server. `started` is set when the bootstrap objects exist."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        entropy: Entropy,
        *,
        catalogue: Catalogue | None = None,
        settings: Settings | None = None,
        token_issuer: TokenIssuer | None = None,
        reviews: Mapping[tuple[str, str], Review] | None = None,
        authorizer: Authorizer | None = None,
        plugins: Iterable[type[Plugin]] = ORDER,
        loaded: Iterable[type[Any]] = (),
    ) -> None:
        """`catalogue`: the kinds that are served (default: the built-in ones); it may change while the registry runs.
        `token_issuer` answers serviceaccounts/token; `reviews` by (group, kind) answer kinds that are never stored; `authorizer`
        knows what admission asks beyond the request itself; `loaded` are kinds that it follows: read before the registry has started."""
        self._read_first = tuple(loaded)
        self.catalogue = catalogue or built_in()
        self.store = RegistryStore(
            storage,
            clock,
            entropy,
            catalogue=self.catalogue,
            settings=settings or Settings(),
            token_issuer=token_issuer,
            reviews=reviews or {},
            loopback=lambda call: self.execute(call, APISERVER),
            authorizer=authorizer,
            plugins=plugins,
        )
        self.conversions = ConversionMetrics()
        """Of conversion webhooks."""
        self.definitions = Definitions(
            self.catalogue,
            self.store.caches,
            clock,
            execute=self.store.loopback,
            empty=self._empty,
            calling=Calling(self.store.ask_for_conversion, entropy.uid, clock.monotonic, self.conversions),
        )
        self.authorizer = authorizer
        self.auditor: Auditor | None = None
        self.started = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self.hooks: Mapping[str, Hook] = {
            hook.name: hook(self)
            for hook in discovery.classes(poststart, Hook)
            if all(self.catalogue.by_kind(*kind.GVK) for kind in hook.kinds)
        }
        """What runs beside once the registry has started."""

    async def start(self) -> None:
        """Wait until the registry can be called; `run` must be running, or be started soon."""
        await self.started.wait()

    async def run(self) -> None:
        """Keep the caches up to date until cancelled."""
        await self.store.caches.start()
        try:
            await self._run()
        finally:
            await self.store.webhooks.aclose()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            group.create_task(self.store.caches.run(), name="caches")
            group.create_task(self._compact(), name="compaction")
            if not self.store.storage.shared:  # a shared store forgets events by itself
                group.create_task(expire_regularly(self.store), name="expiry of events")
            await self.definitions.start()
            group.create_task(self.definitions.run(), name="definitions")
            await self._announced(group)
            for kind in self._read_first:
                await self.store.cache_of(kind)
            await bootstrap.ensure(self, [seed for hook in self.hooks.values() for seed in hook.seeds()])
            for kind in bootstrap.KEPT:
                group.create_task(bootstrap.recreate_when_deleted(self, kind), name=f"keeping of the {kind.__name__} kubernetes")
            self.started.set()
            for hook in self.hooks.values():
                group.create_task(hook.run(), name=hook.name)

    async def _compact(self) -> None:
        store = self.store
        if store.storage.shared:
            await compact_by_interval(store, store.clock, store.settings.compaction_seconds)
        else:
            await compact_regularly(store, store.clock, store.written)

    async def _announced(self, group: asyncio.TaskGroup) -> None:
        """Where several API servers share the store, each says where it is."""
        if self.store.storage.shared and self.store.settings.api_addresses:
            leases = MasterLeases(self)
            await leases.announce()
            group.create_task(leases.run(), name="leases of API servers")

    async def execute(
        self, call: Call, user: User, *, warnings: list[str] | None = None, annotations: dict[str, str] | None = None
    ) -> Result:
        """Execute any verb but watch. Raises StatusError on failure; `warnings` collects warnings for the client, `annotations` what is
        to stand in the audit log."""
        request = self._request(call, user, warnings, annotations)
        if call.subresource:
            return await subresource.execute(self.store, request)
        if call.verb not in call.resource.verbs:
            raise method_not_supported(call.resource.plural, call.resource.group, call.verb)
        try:
            return await self._verb(request)
        except StorageFailed as error:
            raise status_of(error, "be read") from error

    def _verb(self, request: Request) -> Awaitable[Result]:
        store = self.store
        if (request.resource.group, request.resource.plural) == COMPONENTS and request.call.verb in ("get", "list"):
            return (componentstatus.get if request.call.verb == "get" else componentstatus.list_)(store, request)
        match request.call.verb:
            case "get":
                return listing.get(store, request)
            case "list":
                return listing.list_(store, request)
            case "create":
                return self._create(request)
            case "update":
                return update.update(store, request, MAIN)
            case "patch":
                return patch(store, request, MAIN)
            case "delete":
                return delete.delete(store, request)
            case "deletecollection":
                return delete.delete_collection(store, request)
            case verb:
                raise method_not_supported(request.resource.plural, request.resource.group, verb)

    def _create(self, request: Request) -> Awaitable[Entry | Status]:
        review = self.store.reviews.get((request.resource.group, request.resource.kind))
        if review is not None:
            return reviewed(self.store, request, review)
        if (request.resource.group, request.resource.plural) == ("", "bindings"):
            return subresource.bind(self.store, request)
        return create.create(self.store, request)

    async def connect(
        self,
        resource: Resource[Any],
        namespace: str,
        name: str,
        subresource: str,
        options: ConnectOptions,
        user: User,
        warnings: list[str],
        annotations: dict[str, str] | None = None,
    ) -> ConnectOptions:
        """Admit a connection to a Pod, Service or Node, and return its options. Raises StatusError; the caller connects."""
        call = Call("connect", resource, namespace, name, subresource)
        admission = self._request(call, user, warnings, annotations).admission(
            CONNECT, name, options, None, subresource, EXCHANGED[type(options)]
        )
        await self.store.admission.mutate(admission)
        await self.store.admission.validate(admission)
        changed: ConnectOptions = admission.object
        return changed

    async def _empty(self, resource: Resource[Any], namespace: str) -> None:
        """Delete all objects of a resource in a namespace, whatever admission would say."""
        request = self._request(Call("deletecollection", resource, namespace), APISERVER, None)
        await delete.delete_collection(self.store, request, admitted=True)

    async def open_watch(self, call: Call, user: User) -> Watch:
        """Start a watch. StatusError (such as a 410) is raised here and not by the iteration. Close it with `aclose`."""
        if "watch" not in call.resource.verbs:
            await watching.check(self.store, self._request(call, user, None))
            raise method_not_supported(call.resource.plural, call.resource.group, "watch")
        assert self._tasks is not None, "the registry does not run"
        try:
            return await watching.watch(self.store, self._request(call, user, None), self._tasks)
        except StorageFailed as error:
            raise status_of(error, "be read") from error

    async def watch(self, call: Call, user: User) -> AsyncGenerator[CacheEvent, None]:
        """Events of a watch, in the version of the call. Close it with `aclose`."""
        watch = await self.open_watch(call, user)
        resource = call.resource
        try:
            if resource.from_stored is None:
                async for event in watch:
                    yield event
            else:
                async for event in watch:
                    yield event.in_version(resource)
        finally:
            await watch.aclose()

    def transport(self, user: User) -> InProcessTransport:
        """Transport of a client that calls this registry directly as `user`; objects are shared, not copied."""
        return InProcessTransport(self, user)

    def _request(self, call: Call, user: User, warnings: list[str] | None, annotations: dict[str, str] | None = None) -> Request:
        noted = {} if annotations is None else annotations
        return Request(call, user, call.resource, call.resource.hub, [] if warnings is None else warnings, noted)


async def reviewed(store: RegistryStore, request: Request, review: Review) -> Entry:
    """The answered review, with managedFields as upstream sets them."""
    obj = request.call.body
    strategy.match_namespace(obj, request.namespace if request.resource.namespaced else "")
    strategy.wipe_system_fields(obj)
    obj.metadata.managedFields = managers.at_creation(store, request, obj)
    return unstored_entry(request.served, await review(obj, request.user))
