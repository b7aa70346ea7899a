"""Delete: immediate, or graceful with finalizers and a grace period.

- Preconditions are checked against the newest state, again after each conflict.
- What cannot go at once is marked (deletionTimestamp) and stays until its finalizers are gone and its owner (the kubelet)
  deletes it with no grace.
- Propagation: `Orphan` and `Foreground` become finalizers that the garbage collector works off.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from pilothouse.apiserver.admission.plugin import DELETE
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.user import MASTERS
from pilothouse.apiserver.cache.corrupt import problem_of
from pilothouse.apiserver.cache.entry import Entry, EntryList
from pilothouse.apiserver.registry.listing import list_
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore, unstored_entry
from pilothouse.apiserver.registry.write import guaranteed_update
from pilothouse.client.call import Options
from pilothouse.machinery import time
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError, conflict, forbidden, internal_error, invalid, not_found
from pilothouse.machinery.meta_v1 import ObjectMeta, Status, StatusDetails
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.strategy import DEFAULT, Strategy

UNSAFE_VERB = "unsafe-delete-ignore-read-errors"
"""What who deletes an object that cannot be read must be allowed to do."""
ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"


async def delete(store: RegistryStore, request: Request, *, admitted: bool = False, of_collection: bool = False) -> Entry | Status:
    """Delete an object. Returns the object while it is terminating; else a Status, or the object where the kind says so.

    `admitted`: admission has been asked already, as of an eviction. Of what is deleted with its collection admission is not told the name.
    """
    options = request.options
    _check_options(options)
    if options.ignore_store_read_error:
        return await delete_corrupt(store, request)
    cache = await store.caches.of(request.resource)
    if cache.corrupt and (corrupt := cache.corrupt.get(cache.key(request.namespace, request.name))) is not None:
        raise corrupt.unreadable()
    if request.resource.converter is not None:  # upstream reads it first, as a read does
        await store.entry(request.resource, request.namespace, request.name, request.served)
    _warn(request)

    async def attempt(current: Entry) -> Entry | Status:
        check_preconditions(request, current)
        if not admitted and not is_pending(request, current.object):
            admission = request.admission(DELETE, "" if of_collection else request.name, None, current.object)
            await store.admission.mutate(admission)
            await store.admission.validate(admission)
        return await _attempt(store, request, current)

    return await guaranteed_update(store, request.resource, request.namespace, request.name, attempt, served=request.served)


def _warn(request: Request) -> None:
    """Warn once whoever does not say what becomes of the dependents, where that is not what is expected."""
    options, warning = request.options, request.resource.strategy.deletion_warning
    if warning and not options.propagation_policy and options.orphan_dependents is None and warning not in request.warnings:
        request.warnings.append(warning)


async def delete_corrupt(store: RegistryStore, request: Request) -> Status:
    """Delete an object that cannot be decoded, without preconditions and finalizers (KEP-3926).

    Raises StatusError for one that can be decoded.
    """
    resource, name = request.resource, request.name
    if not resource.strategy.has_unsafe_deleter:
        raise internal_error("no unsafe deleter provided, can not honor ignoreStoreReadErrorWithClusterBreakingPotential")
    wanted = Attributes(UNSAFE_VERB, resource.group, resource.version, resource.plural, "", request.namespace, name)
    if MASTERS not in request.user.groups and not store.may(request.user, wanted):
        raise forbidden(resource.plural, resource.group, name, f'not permitted to do "{UNSAFE_VERB}", reason: ')
    key = (await store.caches.of(resource)).key(request.namespace, name)
    item = await store.storage.get(key)
    if item is None:
        raise not_found(resource.plural, resource.group, name)
    if not problem_of(item.value, resource):
        told = "unsafe deletion is not allowed because the object is decodable from storage"
        error = (
            f"StorageError: invalid object, Code: 4, Key: /registry{request.storage_key}, ResourceVersion: 0, AdditionalErrorMsg: {told}"
        )
        raise conflict(resource.plural, request.served.group, name, error)
    if not request.options.dry_run:
        revision = await store.storage.commit(key, None, item.revision)
        await store.caches.wait_for_revision(revision)
    return Status(status="Success", code=200, details=StatusDetails(name=name, group=resource.group, kind=resource.kind))


async def delete_collection(store: RegistryStore, request: Request, *, admitted: bool = False) -> EntryList:
    """Delete the selected objects; missing ones are no error. `admitted`: admission was called already.

    What is given is the list as it was read, before anything was deleted.
    """
    if request.options.ignore_store_read_error:
        problems = Problems("ignoreStoreReadErrorWithClusterBreakingPotential")
        problems.invalid(True, "is not allowed with DELETECOLLECTION, try again after removing the option")
        raise invalid("DeleteOptions", "meta.k8s.io", "", problems.found)
    _warn(request)
    listed = await list_(store, request)
    for entry in listed.entries:
        try:
            await delete(store, _single(request, entry), admitted=admitted, of_collection=True)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
    return listed


def _single(request: Request, entry: Entry) -> Request:
    call = replace(request.call, verb="delete", name=entry.name, namespace=entry.namespace)
    return replace(request, call=call)


def _check_options(options: Options) -> None:
    problems = Problems()
    if options.orphan_dependents is not None and options.propagation_policy:
        problems.at("propagationPolicy").invalid(options.propagation_policy, "orphanDependents and deletionPropagation cannot be both set")
    if options.propagation_policy not in ("", "Orphan", "Foreground", "Background"):
        problems.at("propagationPolicy").not_supported(options.propagation_policy, ("Foreground", "Background", "Orphan", "nil"))
    if options.ignore_store_read_error:
        at = problems.at("ignoreStoreReadErrorWithClusterBreakingPotential")
        preconditions = options.precondition_uid or options.precondition_resource_version or None
        for name, value in (
            ("propagationPolicy", options.propagation_policy or None),
            ("orphanDependents", options.orphan_dependents),
            ("gracePeriodSeconds", options.grace_period_seconds),
            ("preconditions", preconditions),
        ):
            if value is not None:
                at.invalid(True, f"cannot be set together with .{name}")
    if problems:
        raise invalid("DeleteOptions", "meta.k8s.io", "", problems.found)


def check_preconditions(request: Request, current: Entry) -> None:
    """Raise a 409 when uid or resourceVersion differ from the preconditions."""
    options, meta = request.options, current.object.metadata
    own = OWN_PRECONDITIONS.get((request.resource.group, request.resource.plural))
    if own is not None:
        _check_own_preconditions(request, meta, own)
    kind, group = request.resource.kind, request.resource.group  # upstream names the kind here, not the plural
    if options.precondition_uid is not None and options.precondition_uid != meta.uid:
        cause = (
            f"the UID in the precondition ({options.precondition_uid}) does not match the UID in record ({meta.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(kind, group, request.name, cause)
    wanted = options.precondition_resource_version
    if wanted is not None and wanted != meta.resourceVersion:
        cause = (
            f"the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record "
            f"({meta.resourceVersion}). The object might have been modified"
        )
        raise conflict(kind, group, request.name, cause)


OWN_PRECONDITIONS = {
    ("", "namespaces"): "Precondition failed",
    ("apiextensions.k8s.io", "customresourcedefinitions"): "precondition failed",
}
"""Kinds that have a storage of their own upstream, and how it begins to say the same in other words."""


def _check_own_preconditions(request: Request, meta: ObjectMeta, failed: str) -> None:
    options = request.options
    for what, wanted, actual in (
        ("UID", options.precondition_uid, meta.uid),
        ("ResourceVersion", options.precondition_resource_version, meta.resourceVersion),
    ):
        if wanted is not None and wanted != actual:
            cause = f"{failed}: {what} in precondition: {wanted}, {what} in object meta: {actual}"
            raise conflict(request.resource.plural, request.resource.group, request.name, cause)


async def _attempt(store: RegistryStore, request: Request, current: Entry) -> Entry | Status:
    old = current.object
    begin = request.resource.strategy.begin_deletion
    if begin is not None and not old.metadata.deletionTimestamp:
        new = clone(old)
        begin(new, time.now_text(store.clock))
        return await _commit(store, request, current, new)
    finalizers = finalizers_after(request.options, list(old.metadata.finalizers), request.resource.strategy)
    grace = grace_seconds(request, old)
    if is_namespace(request) and (old.spec.finalizers or not old.metadata.deletionTimestamp):
        return await _mark_namespace(store, request, current, finalizers)
    if grace is None:  # it ends already, and this delete makes it no sooner
        if finalizers == old.metadata.finalizers or old.metadata.deletionGracePeriodSeconds:
            return current.in_version(request.served)
        grace = old.metadata.deletionGracePeriodSeconds or 0
    if grace == 0 and not finalizers:
        return await _remove(store, request, current)
    return await _commit(store, request, current, marked(store, old, finalizers, grace))


def is_namespace(request: Request) -> bool:
    """Whether the request is about a Namespace, whose content is deleted first."""
    return (request.resource.group, request.resource.kind) == ("", "Namespace")


def grace_seconds(request: Request, old: Any) -> int | None:
    """Grace period of a delete; None when the object is terminating and nothing changes."""
    if request.resource.graceful is None:
        return 0
    asked = request.options.grace_period_seconds
    grace = request.resource.graceful(old, asked)
    if not old.metadata.deletionTimestamp:
        return max(grace, 0)
    before = old.metadata.deletionGracePeriodSeconds or 0
    if asked is None or grace >= before:
        return 0 if before == 0 and not old.metadata.finalizers else None
    return grace


def is_pending(request: Request, old: Any) -> bool:
    """Whether the object is terminating and this delete changes nothing; admission is not called then."""
    if grace_seconds(request, old) is not None:
        return False
    if old.metadata.deletionGracePeriodSeconds:  # while it ends gracefully, no delete changes what becomes of its dependents
        return True
    finalizers = list(old.metadata.finalizers)
    return finalizers_after(request.options, finalizers, request.resource.strategy) == finalizers


def propagation_of(options: Options, finalizers: list[str], strategy: Strategy) -> str:
    """Propagation policy: of the delete options, else by the object's finalizers, else the kind's default.

    Upstream: shouldOrphanDependents and shouldDeleteDependents of the generic registry's store.
    """
    if not strategy.default_deletion:
        return "Background"
    if options.orphan_dependents is not None:
        return "Orphan" if options.orphan_dependents else "Background"
    if options.propagation_policy:
        return options.propagation_policy
    if ORPHAN in finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in finalizers else strategy.default_deletion


def finalizers_after(options: Options, finalizers: list[str], strategy: Strategy = DEFAULT) -> list[str]:
    """Finalizers for a propagation policy; other finalizers are kept."""
    wanted = {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(propagation_of(options, finalizers, strategy), [])
    standing = [finalizer for finalizer in finalizers if finalizer in (ORPHAN, FOREGROUND)]
    if standing == wanted:
        return finalizers
    return [*(finalizer for finalizer in finalizers if finalizer not in (ORPHAN, FOREGROUND)), *wanted]


async def _remove(store: RegistryStore, request: Request, current: Entry) -> Entry | Status:
    resource = request.resource
    last = None
    if resource.graceful is not None:  # what ends gracefully is marked as well when it goes at once
        last = marked(store, current.object, current.object.metadata.finalizers, 0)
    if not request.options.dry_run:
        gone = await store.remove(current, last)
    else:
        gone = current if last is None else unstored_entry(resource, last, current.revision, current.key)
    if resource.strategy.returns_deleted_object:
        return gone.in_version(request.served)
    details = StatusDetails(name=request.name, group=request.served.group, kind=resource.plural, uid=current.object.metadata.uid)
    return Status(status="Success", details=details)


def marked(store: RegistryStore, old: Any, finalizers: list[str], grace: int) -> Any:
    """A copy of the object with deletionTimestamp and grace period set; a grace period is only ever shortened."""
    new = clone(old)
    meta = new.metadata
    meta.finalizers = finalizers
    before = meta.deletionGracePeriodSeconds or 0
    if not meta.deletionTimestamp:
        meta.deletionTimestamp = time.text(store.clock.now() + timedelta(seconds=grace))
        meta.deletionGracePeriodSeconds = grace
        if meta.generation:
            meta.generation += 1
    elif grace < before:
        meta.deletionTimestamp = time.text(time.parse(meta.deletionTimestamp) - timedelta(seconds=before - grace))
        meta.deletionGracePeriodSeconds = grace
    return new


async def _mark_namespace(store: RegistryStore, request: Request, current: Entry, finalizers: list[str]) -> Entry:
    """A namespace ends when its controller has emptied it and taken the finalizer of the spec. While it ends, a delete changes nothing."""
    if current.object.metadata.deletionTimestamp:
        return current
    new = clone(current.object)
    new.metadata.finalizers = finalizers
    new.metadata.deletionTimestamp = time.now_text(store.clock)
    new.status.phase = "Terminating"
    return await _commit(store, request, current, new)


async def _commit(store: RegistryStore, request: Request, current: Entry, new: Any) -> Entry:
    if request.options.dry_run:
        return unstored_entry(request.resource, new, current.revision, current.key).in_version(request.served)
    return (await store.commit(request.resource, request.namespace, new, current)).in_version(request.served)
