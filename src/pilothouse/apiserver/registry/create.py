"""Create: defaults, what the server sets, admission, the kind's preparation, validation, commit."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.registry import managers, strategy
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.apiserver.registry.write import admit_and_commit, in_thread_if_large
from pilothouse.apiserver.storage.interface import CompareFailed
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError, already_exists

GENERATED_NAME_ATTEMPTS = 8


async def create(store: RegistryStore, request: Request) -> Entry:
    """The new object's entry, in the version of the request."""
    obj = request.call.body
    if obj.metadata.name or not obj.metadata.generateName:
        return await _attempt(store, request, obj)
    for _ in range(GENERATED_NAME_ATTEMPTS - 1):
        try:
            return await _attempt(store, request, clone(obj))
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
    try:
        return await _attempt(store, request, obj)
    except StatusError as error:
        if error.reason == "AlreadyExists" and error.status.details is not None:
            error.status.message += ", the server was not able to generate a unique name for the object"
            error.status.details.retryAfterSeconds = 1
        raise


async def _attempt(store: RegistryStore, request: Request, obj: Any) -> Entry:
    resource = request.resource
    admission = await in_thread_if_large(request.call, _prepared, store, request, obj)

    def check(new: Any) -> None:
        strategy.validate_create(resource, new, request.served)
        request.warnings.extend(strategy.warnings_of(resource, new, None))

    def prepare(new: Any) -> None:
        strategy.prepare_create(resource, new)

    try:
        entry = await admit_and_commit(store, request, admission, None, check, prepare=prepare)
    except CompareFailed as failed:
        raise await _exists(store, request, admission.name, failed) from failed
    if request.options.dry_run and (await store.caches.of(resource)).get(request.namespace, admission.name) is not None:
        raise already_exists(resource.plural, request.served.group, admission.name)
    return entry.served(request.served)


def _prepared(store: RegistryStore, request: Request, obj: Any) -> AdmissionRequest:
    """The object, in the stored version, as admission is to see it."""
    strategy.match_namespace(obj, request.namespace if request.resource.namespaced else "")
    for hook in request.served.defaults:
        hook(obj)
    strategy.single_owners(obj, request.warnings)
    managed = obj.metadata.managedFields
    if not request.applies:
        managed = managers.at_creation(store, request, obj)
    if request.served.to_stored is not None:
        obj = request.served.to_stored(obj)
    strategy.fill_system_fields(obj, store.clock, store.entropy)
    obj.metadata.managedFields = managed
    if not obj.metadata.name and obj.metadata.generateName:
        obj.metadata.name = strategy.generate_name(obj.metadata.generateName, store.entropy)
    return request.admission(CREATE, obj.metadata.name, obj, None)


async def _exists(store: RegistryStore, request: Request, name: str, failed: CompareFailed) -> StatusError:
    resource = request.resource
    await store.fresh(failed)
    error = already_exists(resource.plural, request.served.group, name)
    entry = (await store.caches.of(resource)).get(request.namespace, name)
    if entry is not None and entry.object.metadata.deletionTimestamp:
        error.status.message = f"object is being deleted: {error.status.message}"
    return error
