"""Update of objects and subresources: read, change, mutate, prepare, validate, commit; repeated on a conflict.

- With a resourceVersion the write is for that version or none: 409. Without, it is retried until it fits.
- What has been told to go away goes with the update that takes its last finalizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pilothouse.api.disabled import drop_disabled
from pilothouse.apiserver.admission.plugin import UPDATE
from pilothouse.apiserver.cache.entry import CreatedEntry, Entry
from pilothouse.apiserver.registry import escalation, managers, strategy
from pilothouse.apiserver.registry.allocation import ALLOCATED
from pilothouse.apiserver.registry.create import create
from pilothouse.apiserver.registry.listing import as_new_as_asked
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore, unstored_entry
from pilothouse.apiserver.registry.versions import InvalidRevision, revision_of
from pilothouse.apiserver.registry.view import MAIN, View
from pilothouse.apiserver.registry.write import ATTEMPTS, commit_admitted, guaranteed_update, in_thread_if_large, namespace_labels, sized
from pilothouse.machinery import access
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import OBJECT_MODIFIED, StatusError, conflict, failure, invalid
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.said_empty import copied

PATCH_ATTEMPTS = 6
"""Upstream: five retries after the first conflict."""

BodyOf = Callable[[Entry], Any]
"""What the client wants, given what there is."""


async def update(store: RegistryStore, request: Request, view: View) -> Entry:
    """Update an object through `view`, or create it where the kind allows that. Raises a 404, 409 or 422."""
    body, uid = request.call.body, request.call.body.metadata.uid
    strategy.match_namespace(body, request.namespace)
    strategy.match_name(body, request.name)
    if view is MAIN and await _is_to_be_made(store, request, body):
        call = replace(request.call, verb="create", name="")
        return CreatedEntry.of(await create(store, replace(request, call=call), request.name))
    try:
        return await change(store, request, view, _body_of(request, view), ATTEMPTS)
    except StatusError as error:
        created_by_update = request.resource.strategy.allow_create_on_update and view is MAIN
        if not uid or not created_by_update or not is_missing(error, request):
            raise
        raise _conflict(request, uid_mismatch(request, uid, "")) from error


def _body_of(request: Request, view: View) -> BodyOf:
    """The body of an update for each attempt, which changes it: a copy; the first is the body itself when it is for one version, since
    what comes after can be nothing but a conflict."""
    body, version = request.call.body, request.call.body.metadata.resourceVersion
    if not version.strip("0") or request.resource.type in ALLOCATED:  # an address that another took meanwhile is tried again
        taken = view.fields_read
        if taken is None or request.served.status_defaults is None or request.served is not request.resource:
            return lambda _: copied(body, clone(body))
        return lambda _: access.with_parts(body, **{name: clone(access.field(body, name)) for name in taken})  # nothing else is changed
    bodies = [body]

    def named(_: Entry) -> Any:
        if bodies:
            return bodies.pop()
        again = clone(body)  # the cache may have taken the first: another API server can have written the same
        again.metadata.resourceVersion = version
        return again

    return named


async def _is_to_be_made(store: RegistryStore, request: Request, body: Any) -> bool:
    """Whether this update of what is not there makes it: of some kinds, and only when no object in particular is meant."""
    if not request.resource.strategy.allow_create_on_update or body.metadata.uid:
        return False
    if (await store.caches.of(request.resource)).get(request.namespace, request.name) is not None:
        return False
    body.metadata.resourceVersion = ""
    return True


def is_missing(error: StatusError, request: Request) -> bool:
    """Whether the error says that the object itself was not found."""
    details = error.status.details
    if error.reason != "NotFound" or details is None:
        return False
    return (details.name, details.kind) == (request.name, request.resource.plural)


async def change(store: RegistryStore, request: Request, view: View, body_of: BodyOf, attempts: int) -> Entry:
    """Write what `body_of` makes of the newest entry; returns the view of the result."""
    told = len(request.warnings)

    async def attempt(current: Entry) -> Entry:
        del request.warnings[told:]
        current.object  # noqa: B018  decoded here, not by the thread
        whole = sized(request, current)
        proposed = await in_thread_if_large(whole.call, _proposed, request, view, current, body_of)
        return _seen(request, view, await _write(store, whole, view, current, proposed))

    return await guaranteed_update(store, request.resource, request.namespace, request.name, attempt, attempts, request.served)


def _check_exchanged(request: Request, view: View, current: Entry, body: Any) -> None:
    """What is exchanged for an object (a Scale) must be valid before the object is compared with the one that is meant; that a patch
    means another is told of the subresource, or of a custom kind not at all."""
    resource, said, there = request.resource, body.metadata, current.object.metadata
    is_another = bool(said.uid) and said.uid != there.uid
    if is_another and request.call.verb != "patch":
        return
    view.write(resource, current.object, body)
    if is_another:
        if not resource.is_hub:
            cause = f"Precondition failed: UID in precondition: {said.uid}, UID in object meta: {there.uid}"
            raise conflict(f"{resource.plural}/{view.name}", request.served.group, request.name, cause)
        said.uid = ""


def _check_identity(request: Request, view: View, current: Entry, body: Any) -> None:
    """The version and the object that the client means must be those that there are."""
    resource, said, there = request.resource, body.metadata, current.object.metadata
    is_patch = request.call.verb == "patch"
    is_another = bool(said.uid) and said.uid != there.uid
    if is_another and not is_patch:
        raise _conflict(request, uid_mismatch(request, said.uid, there.uid))
    names_newest = said.resourceVersion == there.resourceVersion
    version = 0 if names_newest else _version_of(said.resourceVersion)
    if version and str(version) != there.resourceVersion:
        raise _conflict(request, OBJECT_MODIFIED)
    if names_newest and not is_another:
        return
    problems = Problems("metadata")
    if is_another:
        for _ in range(2 if resource.is_hub else 1):  # upstream tells it of a custom kind as often as two rules find it
            problems.at("uid").invalid(said.uid, IMMUTABLE)
        raise invalid(resource.kind, resource.group, request.name, problems.found)
    if not version and (said.resourceVersion or not is_patch) and not resource.strategy.allow_unconditional_update and view.is_full_object:
        problems.at("resourceVersion").invalid(0, "must be specified for an update")
        raise invalid(resource.plural, resource.group, request.name, problems.found)


def _version_of(text: str) -> int:
    """The version that a write is for; 0 for whichever there is. Upstream answers 500 without a reason for what is no number."""
    try:
        return revision_of(text)
    except InvalidRevision as error:
        raise failure(500, "", error.cause) from error


def _conflict(request: Request, cause: str) -> StatusError:
    return conflict(request.resource.plural, request.served.group, request.name, cause)


def uid_mismatch(request: Request, wanted: str, actual: str) -> str:
    """Upstream's message for a UID precondition that fails; without its prefix in a dry run."""
    prefix = "" if request.options.dry_run else "/registry"
    return (
        f"StorageError: invalid object, Code: 4, Key: {prefix}{request.storage_key}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {actual}"
    )


async def _write(store: RegistryStore, request: Request, view: View, current: Entry, proposed: Any) -> Entry:
    resource, old = request.resource, current.object
    before = old if view.is_full_object else view.read(resource, old)
    admission = request.admission(UPDATE, request.name, proposed, before, view.name, view.body)
    record = None
    if store.admission.extends(admission):
        preview = await in_thread_if_large(request.call, _new_state, store, request, view, old, clone(proposed))
        record = preview.metadata.managedFields
        proposed.metadata.managedFields = record
    await store.admission.mutate(admission)
    strategy.match_namespace(admission.object, request.namespace)
    strategy.single_owners(admission.object, request.warnings, strategy.AFTER_ADMISSION)
    escalation.check(store.authorizer, request, admission.object, old, request.name)
    new = await in_thread_if_large(request.call, _new_state, store, request, view, old, admission.object, record)
    admission.object = new if view.is_full_object else view.read(resource, new)

    def check(new: Any) -> None:
        if view is not MAIN:
            if view.name == "status":
                strategy.validate_by_namespace(resource, old, new, namespace_labels(store, resource, new))
            view.check(resource, old, new)
        else:
            strategy.validate_update(resource, old, new, request.served)
            request.warnings.extend(strategy.warnings_of(resource, new, old))

    return await commit_admitted(store, request, admission, new, current, check, removes=ends_with(old, new))


def _proposed(request: Request, view: View, current: Entry, body_of: BodyOf) -> Any:
    """What the client asks for, in the stored version, as mutating admission is to see it: the strategy has not prepared it yet."""
    old, body = current.object, body_of(current)
    if view.body is not None:
        _check_exchanged(request, view, current, body)
    _check_identity(request, view, current, body)
    if view.defaulted:
        for hook in _defaults(request.served, view):
            hook(body)
    if view.is_full_object and request.served is not request.resource and request.served.to_stored is not None:
        body = request.served.to_stored(body)
    if view.fields_read is not None:  # the body may be blank elsewhere
        body = access.with_parts(old, **{name: access.field(body, name) for name in view.fields_read})
    body.metadata.resourceVersion = old.metadata.resourceVersion
    return body


def _defaults(served: Resource[Any], view: View) -> Sequence[Callable[[Any], None]]:
    """Those that concern what a view writes, where a kind tells them apart."""
    if view.fields_read is None or served.status_defaults is None:
        return served.defaults
    return served.status_defaults


def _new_state(
    store: RegistryStore, request: Request, view: View, old: Any, body: Any, record: list[ManagedFieldsEntry] | None = None
) -> Any:
    """The whole object as it is to be validated. `record` says who owns which fields where that is known: what webhooks and policies
    have added to what the client asks for is nobody's, as upstream."""
    resource = request.resource
    said = body.metadata.managedFields
    undropped = None
    if view is MAIN:
        undropped, new = strategy.prepare_update(resource, old, body), body
    else:
        new = view.write(resource, old, body)
        if view.is_full_object:
            undropped = drop_disabled(new, old)
    if view.prepare is not None:
        view.prepare(resource, old, new, store.clock)
    new.metadata.resourceVersion = old.metadata.resourceVersion
    if record is None:
        if undropped is not None:  # who says a field of a feature that is off owns it all the same, as upstream
            undropped.metadata = new.metadata
        record = managers.after_update(store, request, view, old, new if undropped is None else undropped, said)
    elif view.is_full_object:
        record = managers.after_admission(record, said, request.warnings)
        strategy.match_namespace(new, request.namespace)
    new.metadata.managedFields = record
    return new


def ends_with(old: Any, new: Any) -> bool:
    """Whether this update removes the last finalizer of a terminating object."""
    meta = old.metadata
    if not meta.deletionTimestamp or new.metadata.finalizers or (meta.deletionGracePeriodSeconds or 0) > 0:
        return False
    return not (access.gvk(old) == ("", "v1", "Namespace") and new.spec.finalizers)


def _seen(request: Request, view: View, entry: Entry) -> Entry:
    """The entry as the client of the view is to see it."""
    body = view.exchanged(request.resource)
    if body is None:
        return entry.in_version(request.served)
    return unstored_entry(body, view.read(request.resource, entry.object), entry.revision, entry.key)


async def read_view(store: RegistryStore, request: Request, view: View) -> Entry:
    """GET of a view."""
    await as_new_as_asked(store, request)
    entry = await store.entry(request.resource, request.namespace, request.name, request.served)
    seen = _seen(request, view, entry)
    if view.check_shown is not None:
        view.check_shown(request.resource, seen.object)
    return seen
