"""Update and patch, of objects and of their subresources: read, change, admit, validate, commit; again when another was faster.

- With a resourceVersion the write is for that version or none: 409. Without, it is retried until it fits.
- What has been told to go away goes with the update that takes its last finalizer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pilothouse.apiserver.admission.plugin import UPDATE
from pilothouse.apiserver.cache.entry import CreatedEntry, Entry
from pilothouse.apiserver.registry import managers, strategy
from pilothouse.apiserver.registry.create import create
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore, made
from pilothouse.apiserver.registry.view import MAIN, View
from pilothouse.apiserver.registry.write import ATTEMPTS, admit_and_commit, guaranteed_update
from pilothouse.machinery import access
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import OBJECT_MODIFIED, StatusError, conflict, invalid
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems

PATCH_ATTEMPTS = 6
"""Upstream: five retries after the first conflict."""

RBAC = "rbac.authorization.k8s.io"
MADE_BY_UPDATE = frozenset(
    {
        ("", "endpoints"),
        ("", "events"),
        ("", "limitranges"),
        ("", "services"),
        ("certificates.k8s.io", "clustertrustbundles"),
        ("certificates.k8s.io", "podcertificaterequests"),
        ("coordination.k8s.io", "leases"),
        ("node.k8s.io", "runtimeclasses"),
        *((RBAC, plural) for plural in ("clusterrolebindings", "clusterroles", "rolebindings", "roles")),
    }
)
"""Kinds of which a PUT makes what is not there, as upstream's strategies have it."""
ADMISSION = "admissionregistration.k8s.io"
STORAGE = "storage.k8s.io"
UPDATED_BY_VERSION = frozenset(
    {
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("apiregistration.k8s.io", "apiservices"),
        ("certificates.k8s.io", "clustertrustbundles"),
        ("certificates.k8s.io", "podcertificaterequests"),
        ("coordination.k8s.io", "leases"),
        ("node.k8s.io", "runtimeclasses"),
        ("policy", "poddisruptionbudgets"),
        ("resource.k8s.io", "devicetaintrules"),
        ("storagemigration.k8s.io", "storageversionmigrations"),
        *((ADMISSION, f"{kind}webhookconfigurations") for kind in ("mutating", "validating")),
        *((ADMISSION, f"{when}admission{kind}") for when in ("mutating", "validating") for kind in ("policies", "policybindings")),
        *((STORAGE, plural) for plural in ("csidrivers", "csinodes", "csistoragecapacities", "volumeattachments")),
    }
)
"""Kinds of which a PUT must say the version that it replaces: upstream's AllowUnconditionalUpdate."""

BodyOf = Callable[[Entry], Any]
"""What the client wants, given what there is."""


async def update(store: RegistryStore, request: Request, view: View) -> Entry:
    body = request.call.body
    strategy.match_namespace(body, request.namespace)
    strategy.match_name(body, request.name)
    if view is MAIN and await _is_to_be_made(store, request, body):
        call = replace(request.call, verb="create", name="")
        return CreatedEntry.of(await create(store, replace(request, call=call)))
    try:
        return await change(store, request, view, lambda _: clone(body), ATTEMPTS)
    except StatusError as error:
        if not body.metadata.uid or not is_missing(error, request):
            raise
        key = (await store.caches.of(request.resource)).key(request.namespace, request.name)
        raise _conflict(request, uid_mismatch(key, body.metadata.uid, "")) from error


async def _is_to_be_made(store: RegistryStore, request: Request, body: Any) -> bool:
    """Whether this update of what is not there makes it: of some kinds, and only when no object in particular is meant."""
    if (request.resource.group, request.resource.plural) not in MADE_BY_UPDATE or body.metadata.uid:
        return False
    if (await store.caches.of(request.resource)).get(request.namespace, request.name) is not None:
        return False
    body.metadata.resourceVersion = ""
    return True


def is_missing(error: StatusError, request: Request) -> bool:
    """Whether it is the object itself that was not found."""
    details = error.status.details
    if error.reason != "NotFound" or details is None:
        return False
    return (details.name, details.kind) == (request.name, request.resource.plural)


async def change(store: RegistryStore, request: Request, view: View, body_of: BodyOf, attempts: int) -> Entry:
    """Write what `body_of` makes of the newest entry; returns the view of the result."""
    told = len(request.warnings)

    async def attempt(current: Entry) -> Entry:
        del request.warnings[told:]
        body = body_of(current)
        _check_identity(request, current, body)
        return _seen(request, view, await _write(store, request, view, current, body))

    return await guaranteed_update(store, request.resource, request.namespace, request.name, attempt, attempts)


def _check_identity(request: Request, current: Entry, body: Any) -> None:
    """The version and the object that the client means must be those that there are."""
    resource, said, there = request.resource, body.metadata, current.object.metadata
    is_patch = request.call.verb == "patch"
    is_another = bool(said.uid) and said.uid != there.uid
    if is_another and not is_patch:
        raise _conflict(request, uid_mismatch(current.key, said.uid, there.uid))
    if said.resourceVersion and said.resourceVersion != there.resourceVersion:
        raise _conflict(request, OBJECT_MODIFIED)
    problems = Problems("metadata")
    if is_another:
        problems.at("uid").invalid(said.uid, IMMUTABLE)
        raise invalid(resource.kind, resource.group, request.name, problems.found)
    if not said.resourceVersion and not is_patch and (resource.group, resource.plural) in UPDATED_BY_VERSION:
        problems.at("resourceVersion").invalid(0, "must be specified for an update")
        raise invalid(resource.plural, resource.group, request.name, problems.found)


def _conflict(request: Request, cause: str) -> StatusError:
    return conflict(request.resource.plural, request.resource.group, request.name, cause)


def uid_mismatch(key: str, wanted: str, found: str) -> str:
    return (
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    )


async def _write(store: RegistryStore, request: Request, view: View, current: Entry, body: Any) -> Entry:
    resource, old = request.resource, current.object
    if view.defaulted:
        for hook in request.served.defaults:
            hook(body)
    if view.whole and request.served.to_stored is not None:
        body = request.served.to_stored(body)
    body.metadata.resourceVersion = current.object.metadata.resourceVersion
    said = body.metadata.managedFields
    new = view.write(resource, old, body)
    if view.prepare is not None:
        view.prepare(resource, old, new, store.clock)
    new.metadata.resourceVersion = old.metadata.resourceVersion
    new.metadata.managedFields = managers.after_update(store, request, view, old, new, said)
    admission = request.admission(UPDATE, request.name, new, old, view.name)

    def check(new: Any) -> None:
        view.check(resource, old, new)
        if view is MAIN:
            if request.served is not resource:
                strategy.validate_served(request.served, old, new)
            request.warnings.extend(strategy.warnings_of(resource, new, old))

    return await admit_and_commit(store, request, admission, current, check, removes=ends_with(old, new))


def ends_with(old: Any, new: Any) -> bool:
    """Whether this update takes the last thing that kept a deleted object alive."""
    meta = old.metadata
    if not meta.deletionTimestamp or new.metadata.finalizers or (meta.deletionGracePeriodSeconds or 0) > 0:
        return False
    return not (access.gvk(old) == ("", "v1", "Namespace") and new.spec.finalizers)


def _seen(request: Request, view: View, entry: Entry) -> Entry:
    """The entry as the client of the view is to see it."""
    if view.body is None:
        return entry.served(request.served)
    return made(view.body, view.read(request.resource, entry.object), entry.revision, entry.key)


async def read_view(store: RegistryStore, request: Request, view: View) -> Entry:
    """GET of a view."""
    entry = await store.entry(request.resource, request.namespace, request.name)
    return _seen(request, view, entry)
