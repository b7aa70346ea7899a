"""RegistryStore: watch caches, storage, admission, clock and entropy, shared by the verbs of the registry.

Upstream has one generic `Store` a resource (k8s.io/apiserver/pkg/registry/generic/registry); here one serves all resources.

- `commit` encodes an object, writes it and returns when every cache shows it: so everybody reads their own writes.
- A write that would change nothing is none: the current entry is the answer, no revision passes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

from pilothouse.api.protobuf import envelope
from pilothouse.api.types import core_v1
from pilothouse.api.types.apiextensions_v1 import WebhookClientConfig
from pilothouse.apiserver.admission.metrics import AdmissionMetrics
from pilothouse.apiserver.admission.order import ORDER
from pilothouse.apiserver.admission.plugin import Admission, Plugin
from pilothouse.apiserver.auth.authorizer import Attributes, Authorizer, Decision
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.cache.cache import Cache
from pilothouse.apiserver.cache.caches import Caches
from pilothouse.apiserver.cache.converting import converted, unchangeable, unreadable
from pilothouse.apiserver.cache.corrupt import CorruptValue
from pilothouse.apiserver.cache.entry import Entry, head_of
from pilothouse.apiserver.cache.selection import Selection
from pilothouse.apiserver.cache.sharing import share
from pilothouse.apiserver.cache.watch import Watch
from pilothouse.apiserver.extensions.conversion import ConversionFailed
from pilothouse.apiserver.registry.allocation import Allocation, Reservation
from pilothouse.apiserver.registry.compaction import Written
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.apiserver.registry.storefailures import status_of
from pilothouse.apiserver.storage.encryption.storage import EncryptedStorage
from pilothouse.apiserver.storage.interface import CompareFailed, SharedStorage, Storage, StorageFailed
from pilothouse.apiserver.webhooks.client import WebhookClient
from pilothouse.apiserver.webhooks.endpoint import Service, endpoint_of
from pilothouse.apiserver.webhooks.failure import CallFailed
from pilothouse.apiserver.webhooks.services import Address, address_of
from pilothouse.client.call import Call
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.histogram import Histograms
from pilothouse.kit.offload import in_thread
from pilothouse.machinery import strconv
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.codec import at_level, encode
from pilothouse.machinery.errors import StatusError, failure, internal_error, not_found
from pilothouse.machinery.resource import Resource

T = TypeVar("T")

TokenIssuer = Callable[[Any, Any, User], Awaitable[Any]]
"""(ServiceAccount, TokenRequest, user) -> TokenRequest with its status."""
Loopback = Callable[[Call], Awaitable[Any]]
"""Executes a call of the server itself, as the user system:apiserver."""
Review = Callable[[Any, User], Awaitable[Any]]
"""(review object, user) -> the same with its status: for kinds that are answered and never stored."""

ExtensionDiscovery = Callable[[Any], Awaitable[str]]
"""(APIService) -> what its discovery document cannot be had for; "" when the server answers. Bounded in time by itself."""

STORE_SECONDS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
)  # fmt: skip
"""Upstream's buckets of etcd_request_duration_seconds."""
REQUEST_LIMIT_BYTES = 1536 * 1024
"""What etcd takes in one request (its --max-request-bytes); upstream's store counts objects in protobuf."""
FRESH_SECONDS = 3.0
"""How long a write that lost a race waits to see what won it."""


def refuse_too_large(obj: Any, size: int) -> None:
    """Raise StatusError with etcd's message for an object that is too large; `size` is that of the JSON, for kinds without protobuf."""
    with suppress(AttributeError, ValueError):
        size = len(envelope.encode(obj))
    if size > REQUEST_LIMIT_BYTES:
        raise failure(500, "", "etcdserver: request is too large")


class RegistryStore:
    """Shared state of the registry. One per API server."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        entropy: Entropy,
        *,
        catalogue: Catalogue,
        settings: Settings,
        token_issuer: TokenIssuer | None,
        reviews: Mapping[tuple[str, str], Review],
        loopback: Loopback,
        authorizer: Authorizer | None = None,
        plugins: Iterable[type[Plugin]] = ORDER,
    ) -> None:
        self.storage = storage
        self.compacted = 0
        """What is older than this revision has been compacted by this API server."""
        self.clock = clock
        self.entropy = entropy
        self.settings = settings
        self.token_issuer = token_issuer
        self.reviews = dict(reviews)
        self.loopback = loopback
        self.authorizer = authorizer
        self.written = Written()
        self.store_seconds = Histograms(STORE_SECONDS, ("operation", "group", "resource"))
        """How long writes to the store took."""
        self.components: dict[str, Callable[[], str]] = {}
        """What is wrong with the scheduler and the controller-manager, by these names; "" when nothing is."""
        self.extension_discovery: ExtensionDiscovery | None = None
        """Asks the server behind a remote APIService; without it nothing is proxied."""
        self.catalogue = catalogue
        self.caches = Caches(storage, clock, catalogue)
        self._loaded: dict[type[Any], Cache] = {}
        """Caches that are loaded, by class: admission asks for the same few in every request."""
        catalogue.subscribe(lambda what, resource: self._loaded.clear())
        self.allocation = Allocation(settings)
        self.webhooks = WebhookClient(self.service_address, hold=clock.paused)
        self.metrics = AdmissionMetrics()
        self.local_services: dict[tuple[str, str], Address] = {}
        """Where programs of the tests answer for Services of a simulated cluster, by namespace and name."""
        self.admission = Admission((plugin() for plugin in plugins), self)

    # World, as admission plugins see it.

    async def get(self, kind: type[T], name: str, namespace: str = "") -> T | None:
        """The object from the cache, or None. It is shared: do not change it."""
        cache = self._loaded.get(kind) or await self.cache_of(kind)
        entry = cache.get(namespace, name)
        if entry is None and self.storage.shared:  # it may have been made just now, at another API server
            await self.current()
            entry = cache.get(namespace, name)
        return entry.object if entry is not None else None

    async def list(self, kind: type[T], namespace: str = "") -> Sequence[T]:
        """Objects of a kind from the cache, of one namespace if given. They are shared: do not change them."""
        return (self._loaded.get(kind) or await self.cache_of(kind)).objects(namespace)

    def changed(self, kind: type[Any]) -> int:
        """Revision of the last change of this kind; -1 while its cache is not loaded."""
        cache = self._loaded.get(kind)
        return -1 if cache is None else cache.changed

    def may_have(self, kinds: Sequence[type[Any]]) -> bool:
        """False when it is known that no object of these kinds exists."""
        for kind in kinds:
            cache = self._loaded.get(kind)
            if cache is None or not cache.is_empty:
                return True
        return False

    async def appears(self, kind: type[T], name: str, namespace: str, seconds: float) -> T | None:
        """Wait up to `seconds` for an object to be created; None when it is not."""
        cache = await self.cache_of(kind)
        watch = Watch(Selection(cache.scope(namespace), key=cache.key(namespace, name)))
        cache.watch(watch)
        try:
            if cache.get(namespace, name) is None:
                await wait_for(self.clock, watch.batch(), seconds)
        except TimeoutError:
            return None
        finally:
            await watch.aclose()
        return await self.get(kind, name, namespace)

    async def service_address(self, wanted: Service) -> Address:
        """Address at which this server reaches a Service. Raises CallFailed."""
        return address_of(wanted, await self.get(core_v1.Service, wanted.name, wanted.namespace), self.local_services)

    async def update_status(self, obj: Any) -> bool:
        """Update the object's status through the registry's write path.

        False on a conflict or when the object is gone; other failures are raised.
        """
        resource, meta = self.catalogue.of(type(obj)), obj.metadata
        try:
            await self.loopback(Call("update", resource, meta.namespace, meta.name, "status", obj))
        except StatusError as error:
            if error.reason in ("Conflict", "NotFound"):
                return False
            raise
        return True

    def may(self, user: User, attributes: Attributes) -> bool:
        """Whether the user is allowed to; always true without an authorizer."""
        return self.decision(user, attributes).allowed

    def decision(self, user: User, attributes: Attributes) -> Decision:
        """The authorizer's decision; always allowed without an authorizer."""
        return Decision(True) if self.authorizer is None else self.authorizer.authorize(user, attributes)

    async def ask_for_conversion(self, config: WebhookClientConfig, review: bytes, seconds: float) -> bytes:
        """Call a conversion webhook. Raises ConversionFailed."""
        try:
            return await self.webhooks.call(endpoint_of(config), review, seconds)
        except CallFailed as failed:
            raise ConversionFailed(str(failed)) from failed

    # Reading.

    async def cache_of(self, kind: type[Any]) -> Cache:
        """The loaded cache of a kind's storage version."""
        cache = await self.caches.of(self.catalogue.of(kind))
        self._loaded[kind] = cache
        return cache

    async def entry(self, resource: Resource[Any], namespace: str, name: str, served: Resource[Any] | None = None) -> Entry:
        """The newest entry of an object in the version of `resource`. Raises NotFound, in the name of `served`."""
        cache = await self.caches.of(resource)
        if cache.corrupt and (corrupt := cache.corrupt.get(cache.key(namespace, name))) is not None:
            raise corrupt.unreadable()
        entry = cache.get(namespace, name)
        if entry is None:
            raise not_found(resource.plural, (served or resource).group, name)
        await converted((entry,), resource, unreadable)
        return entry.in_version(resource)

    async def newest(self, resource: Resource[Any], namespace: str, name: str, served: Resource[Any] | None = None) -> Entry:
        """The entry from the store instead of the cache. Raises NotFound, in the name of `served`."""
        cache = await self.caches.of(resource)
        key = cache.key(namespace, name)
        item = await self.storage.get(key)
        if item is None:
            raise not_found(resource.plural, (served or resource).group, name)
        cached = cache.get(namespace, name)
        entry = cached if cached is not None and cached.revision == item.revision else cache.read(item)
        if isinstance(entry, CorruptValue):
            raise entry.unchangeable()
        await converted((entry,), resource, unchangeable)
        return entry.in_version(resource)

    # Writing.

    async def commit(
        self,
        resource: Resource[Any],
        namespace: str,
        obj: Any,
        current: Entry | None,
        *,
        anyway: bool = False,
        allocated: int | None = None,
    ) -> Entry:
        """Write `obj`, of the version of `resource`, over `current` (None: it must not exist yet). Returns the new entry in that version.

        Raises CompareFailed when another was faster, and ConcurrentAllocation when another API server has allocated since `allocated`.
        """
        cache = await self.caches.of(resource)
        if current is None and version_of(obj.metadata.resourceVersion):
            raise failure(500, "", "resourceVersion should not be set on objects to be created")  # as upstream: without a reason
        obj.metadata.resourceVersion = obj.metadata.selfLink = ""
        obj = at_level(obj, self.catalogue.level)
        if resource is not cache.resource and resource.to_stored is not None:
            converter = resource.converter
            obj = resource.to_stored(obj) if converter is None else (await converter.convert([obj], cache.resource))[0]
        value = encode(obj)
        if not value.startswith(cache.head):
            raise internal_error(f"an object of another kind than {resource.kind} was to be stored")
        if current is not None and not anyway and current.origin.is_stored_as(value) and not await self._is_stale(current.key):
            return current
        if len(value) > REQUEST_LIMIT_BYTES:
            await in_thread(refuse_too_large, obj, len(value))
        key = cache.key(namespace, obj.metadata.name)
        cache.remember_written(key, value, obj)
        try:
            expected = current.revision if current is not None else 0
            revision = await self._write(cache.resource, key, value, expected, allocated)
        except BaseException:
            cache.forget_written(key)
            raise
        share(obj, value, None if current is None else current.object)  # not before: who failed may change the object and try again
        entry = cache.get(namespace, obj.metadata.name)
        if entry is None or entry.revision != revision:
            entry = Entry.stored(cache.resource, key, cache.head, value, revision, current.since if current else revision, obj)
        if resource.converter is not None:
            await converted((entry,), resource)
        return entry.in_version(resource)

    async def _is_stale(self, key: str) -> bool:
        """Whether what is stored should be written anew although the object is the same: encrypted by another key, or not at all."""
        return isinstance(self.storage, EncryptedStorage) and await self.storage.is_stale(key)

    async def reread(self, resource: Resource[Any], obj: Any) -> Any:
        """`obj` as it would be read after a write: without fields that the storage version does not have."""
        stored = resource.stored_as
        if not resource.is_hub or stored is None or resource.to_stored is None or resource.from_stored is None:
            return obj
        if (converter := resource.converter) is not None:
            return (await converter.convert(await converter.convert([obj], stored), resource))[0]
        return resource.from_stored(resource.to_stored(obj))

    async def _write(self, resource: Resource[Any], key: str, value: bytes | None, expected: int, allocated: int | None = None) -> int:
        self.written.add(len(key) + len(value or b""))
        since = self.clock.monotonic()
        try:
            if allocated is None or value is None:
                revision = await self.storage.commit(key, value, expected)
            else:
                revision = await cast(SharedStorage, self.storage).commit_allocating(key, value, expected, allocated)
        except StorageFailed as error:
            raise status_of(error, "write") from error
        operation = "delete" if value is None else "update" if expected else "create"
        self.store_seconds.observe((operation, resource.group, resource.plural), self.clock.monotonic() - since)
        if revision > self.caches.revision:
            await self.caches.wait_for_revision(revision)
        return revision

    async def create(self, values: Mapping[str, bytes]) -> None:
        """Write the values whose keys do not exist, in one commit. Raises StatusError when the store fails."""
        self.written.add(sum(len(key) + len(value) for key, value in values.items()))
        try:
            await self.storage.create(values)
        except StorageFailed as error:
            raise status_of(error, "write") from error
        await self.caches.wait_for_revision(await self.storage.revision())

    async def remove(self, current: Entry, last: Any = None) -> Entry:
        """Delete an object.

        Returns its last state (`last`, or `current`) at the revision of the delete. Raises CompareFailed when it changed.
        """
        revision = await self._write(current.origin.resource, current.key, None, current.revision)
        if last is not None:
            return unstored_entry(current.resource, last, revision, current.key)
        return current.with_revision(revision)

    async def compact(self, revision: int) -> None:
        """Drop what is older than `revision` from the store."""
        await self.storage.compact(revision)
        self.compacted = revision

    async def revision(self) -> int:
        """The newest revision of the store."""
        return await self.storage.revision()

    async def current(self) -> None:
        """Wait until the caches show everything that was written before this call, by any API server."""
        await self.caches.wait_for_revision(await self.storage.revision())

    async def reserve(self, resource: Resource[Any], old: Any, new: Any, *, dry_run: bool) -> Reservation:
        """Allocate cluster IPs and node ports for a write, until it is committed or fails."""
        return await self.allocation.reserve(self, resource, old, new, dry_run=dry_run)

    async def allocated(self) -> int | None:
        """Revision of the last allocation by any API server, once the caches show it; None in a store of this server alone."""
        if not self.storage.shared:
            return None
        await self.current()
        return cast(SharedStorage, self.storage).allocated

    async def fresh(self, failed: CompareFailed) -> None:
        """Wait until the cache shows the write that made a commit fail, before it is tried again."""
        if failed.seen_at > self.caches.revision:
            with suppress(TimeoutError):  # the write that was in the way may itself have failed
                await wait_for(self.clock, self.caches.wait_for_revision(failed.seen_at), FRESH_SECONDS)


def version_of(text: str) -> int:
    """A resourceVersion as a number; 0 for invalid text."""
    try:
        return strconv.parse_uint(text) if text else 0
    except ValueError:
        return 0


def stored(resource: Resource[Any]) -> Resource[Any]:
    """The resource in its storage version."""
    return resource.stored_as or resource


def unstored_entry(resource: Resource[Any], obj: Any, revision: int = 0, key: str = "//") -> Entry:
    """Entry of an object that is not stored: the result of a dry run, a Scale, a review."""
    if revision:
        obj.metadata.resourceVersion = str(revision)
    return Entry(resource, key, head_of(resource), encode(obj), revision, revision, obj)
