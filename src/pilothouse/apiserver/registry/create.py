"""Create, in upstream's order: defaulting, managed fields, mutating admission, system fields, strategy, validation, validating admission,
commit. It is repeated with another name when a generated one exists already.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.registry import escalation, managers, strategy
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.apiserver.registry.write import commit_admitted, in_thread_if_large, namespace_labels
from pilothouse.apiserver.storage.interface import CompareFailed
from pilothouse.machinery import time
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError, already_exists, forbidden

GENERATED_NAME_ATTEMPTS = 8
TERMINATING = "create not allowed while custom resource definition is terminating"


async def create(store: RegistryStore, request: Request, path_name: str = "") -> Entry:
    """The new object's entry, in the version of the request. `path_name` is the name in the path of an update or a patch."""
    if request.resource.is_terminating:
        raise forbidden(request.resource.plural, request.served.group, request.call.body.metadata.name, TERMINATING)
    admission = await in_thread_if_large(request.call, _proposed, store, request)
    record = admission.object.metadata.managedFields
    await store.admission.mutate(admission)
    obj = admission.object
    obj.metadata.managedFields = managers.after_admission(record, obj.metadata.managedFields, request.warnings)
    strategy.match_namespace(obj, request.namespace)
    strategy.single_owners(obj, request.warnings, strategy.AFTER_ADMISSION)
    escalation.check(store.authorizer, request, obj, None, path_name)
    if obj.metadata.name or not obj.metadata.generateName:
        return await _attempt(store, request, admission, obj)
    for _ in range(GENERATED_NAME_ATTEMPTS - 1):
        try:
            return await _attempt(store, request, admission, clone(obj))
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
    try:
        return await _attempt(store, request, admission, obj)
    except StatusError as error:
        if error.reason == "AlreadyExists" and error.status.details is not None:
            error.status.message += ", the server was not able to generate a unique name for the object"
            error.status.details.retryAfterSeconds = 1
        raise


def _proposed(store: RegistryStore, request: Request) -> AdmissionRequest:
    """The object, in the stored version, as mutating admission is to see it: without a uid, and without a name that is to be generated."""
    obj = request.call.body
    strategy.match_namespace(obj, request.namespace if request.resource.namespaced else "")
    strategy.wipe_system_fields(obj)
    obj.metadata.creationTimestamp = time.now_text(store.clock)  # some default is this time
    for hook in request.served.defaults:
        hook(obj)
    strategy.single_owners(obj, request.warnings)
    strategy.wipe_system_fields(obj)
    managed = obj.metadata.managedFields
    if not request.applies:
        managed = managers.at_creation(store, request, obj)
    if request.served is not request.resource and request.served.to_stored is not None:
        obj = request.served.to_stored(obj)
    obj.metadata.managedFields = managed
    return request.admission(CREATE, obj.metadata.name, obj, None)


async def _attempt(store: RegistryStore, request: Request, mutated: AdmissionRequest, obj: Any) -> Entry:
    resource = request.resource
    strategy.fill_system_fields(obj, store.clock, store.entropy)
    if not obj.metadata.name and obj.metadata.generateName:
        obj.metadata.name = strategy.generate_name(obj.metadata.generateName, store.entropy)
    strategy.match_namespace(obj, request.namespace)
    strategy.prepare_create(resource, obj)
    name = mutated.name or obj.metadata.name
    if obj is mutated.object and name == mutated.name:
        admission = mutated
    else:  # a generated name, which another attempt replaces
        admission = replace(mutated, object=obj, name=name)

    def check(new: Any) -> None:
        strategy.validate_create(resource, new, request.served, namespace_labels(store, resource, new))
        request.warnings.extend(strategy.warnings_of(resource, new, None))

    try:
        entry = await commit_admitted(store, request, admission, obj, None, check)
    except CompareFailed as failed:
        raise await _exists(store, request, admission.name, failed) from failed
    if request.options.dry_run and (await store.caches.of(resource)).get(request.namespace, admission.name) is not None:
        raise already_exists(resource.plural, request.served.group, admission.name)
    return entry.in_version(request.served)


async def _exists(store: RegistryStore, request: Request, name: str, failed: CompareFailed) -> StatusError:
    resource = request.resource
    await store.fresh(failed)
    error = already_exists(resource.plural, request.served.group, name)
    entry = (await store.caches.of(resource)).get(request.namespace, name)
    if entry is not None and entry.object.metadata.deletionTimestamp:
        error.status.message = f"object is being deleted: {error.status.message}"
    return error
