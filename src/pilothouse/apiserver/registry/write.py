"""The write path of the registry: read, change, admit, validate, commit; repeated when the object changed meanwhile.

- `guaranteed_update` is upstream's GuaranteedUpdate (k8s.io/apiserver/pkg/storage/etcd3): every verb and subresource that changes
  or deletes an object goes through it.
- `commit_admitted` is what happens to every new state of an object between its making and the store.
- The first attempt is on the cached object. Before a refusal is told, the store is asked whether the cache was behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.core_v1 import Namespace
from pilothouse.apiserver.admission.plugin import AdmissionRequest
from pilothouse.apiserver.cache.converting import converted, unchangeable
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.registry.allocation import ALLOCATED, NOTHING
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore, unstored_entry
from pilothouse.apiserver.storage.interface import CompareFailed, ConcurrentAllocation
from pilothouse.client.call import Call
from pilothouse.kit.offload import in_thread, in_waiting_thread
from pilothouse.machinery.errors import OBJECT_MODIFIED, StatusError, conflict
from pilothouse.machinery.resource import Resource

T = TypeVar("T")

ATTEMPTS = 100
"""Bound of the retries of an unconditional write: reaching it means a livelock."""


async def guaranteed_update(
    store: RegistryStore,
    resource: Resource[Any],
    namespace: str,
    name: str,
    attempt: Callable[[Entry], Awaitable[T]],
    attempts: int = ATTEMPTS,
    served: Resource[Any] | None = None,
) -> T:
    """Call `attempt` with the newest entry until its commit succeeds; returns its result (upstream's GuaranteedUpdate).

    `attempt` raises CompareFailed when its commit came too late, and is then called again with what the store has. Raises
    NotFound when there is no such object, Conflict after `attempts`, and what `attempt` raises for the object as it is in the store.
    `served` is the resource that errors name, when it is not `resource`.
    """
    current, is_newest = await _first(store, resource, namespace, name, served)
    for _ in range(attempts):
        try:
            return await attempt(current)
        except CompareFailed as failed:
            await store.fresh(failed)
            current, is_newest = await store.newest(resource, namespace, name, served), True
        except StatusError:
            if is_newest:
                raise
            newest = await store.newest(resource, namespace, name, served)
            if newest.revision == current.revision:
                raise
            current, is_newest = newest, True
    raise conflict(resource.plural, (served or resource).group, name, OBJECT_MODIFIED)


async def _first(
    store: RegistryStore, resource: Resource[Any], namespace: str, name: str, served: Resource[Any] | None
) -> tuple[Entry, bool]:
    """The cached entry, or else the store's; and whether it is the store's."""
    cache = await store.caches.of(resource)
    if cache.corrupt and (corrupt := cache.corrupt.get(cache.key(namespace, name))) is not None:
        raise corrupt.unchangeable()
    cached = cache.get(namespace, name)
    if cached is not None:
        if resource.converter is not None:
            await converted((cached,), resource, unchangeable)
        return cached.in_version(resource), False
    return await store.newest(resource, namespace, name, served), True


def sized(request: Request, current: Entry) -> Request:
    """The request, as large as what it changes when that is larger than what it brings."""
    size = len(current.encoded)
    limit = request.call.resource.offload_bytes
    if size < limit or request.call.body_bytes >= limit:
        return request
    return replace(request, call=replace(request.call, body_bytes=size))


def is_large(call: Call) -> bool:
    """Whether others would wait too long for what is made of the call's object: a large one, or one that a webhook converts."""
    return call.resource.converter is not None or call.body_bytes >= call.resource.offload_bytes


async def in_thread_if_large(call: Call, function: Callable[..., T], *args: Any) -> T:
    """The result of a function of the call's own object alone, in a thread where `is_large` says so."""
    if not is_large(call):
        return function(*args)
    return await (in_thread if call.resource.converter is None else in_waiting_thread)(function, *args)


def _checked(resource: Resource[Any], check: Callable[[Any], None], new: Any) -> None:
    check(new)
    if resource.compact is not None:
        resource.compact(new)


async def commit_admitted(
    store: RegistryStore,
    request: Request,
    admission: AdmissionRequest,
    new: Any,
    current: Entry | None,
    check: Callable[[Any], None],
    *,
    removes: bool = False,
) -> Entry:
    """Commit `new` over `current` (None: a new object) after allocation, `check` and validating admission succeeded.

    Mutating admission and the strategy's preparation have been. `check(object)` validates and raises StatusError; `admission` shows
    the object as the request exchanges it. `removes`: the write takes what has kept a deleted object, which goes with it. Nothing is
    written in a dry run. Raises CompareFailed.
    """
    resource, old = request.resource, current.object if current is not None else None
    reserved = await store.reserve(resource, old, new, dry_run=request.options.dry_run) if resource.type in ALLOCATED else NOTHING
    try:
        if is_large(request.call):
            await in_thread_if_large(request.call, _checked, resource, check, new)
        else:
            _checked(resource, check, new)
        await store.admission.validate(admission)
        if current is None and resource.complete is not None:
            resource.complete(new)
        if request.options.dry_run:
            shown = await store.reread(resource, new)
            return (
                unstored_entry(resource, shown, current.revision, current.key) if current is not None else unstored_entry(resource, shown)
            )
        if removes and current is not None:
            return await store.remove(current, last=new)
        return await store.commit(resource, request.namespace, new, current, allocated=reserved.allocated)
    except ConcurrentAllocation as overtaken:  # another API server has allocated meanwhile, perhaps the same: choose again
        reserved.undo()
        await store.fresh(overtaken)
    finally:
        reserved.release()
    return await commit_admitted(store, request, admission, new, current, check, removes=removes)


def namespace_labels(store: RegistryStore, resource: Resource[Any], obj: Any) -> Mapping[str, str] | None:
    """The labels of an object's namespace, for kinds whose rules look at them; None where there is none."""
    if resource.strategy.validate_by_namespace is None:
        return None
    entry = store.caches.peek(resource_of(Namespace)).get("", obj.metadata.namespace)
    labels: Mapping[str, str] | None = None if entry is None else entry.object.metadata.labels
    return labels
