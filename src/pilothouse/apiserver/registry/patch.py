"""Patch: applies a patch to the current object, and again when that changed meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from pilothouse.apiserver.cache.entry import CreatedEntry, Entry
from pilothouse.apiserver.registry import managers, strategy
from pilothouse.apiserver.registry.create import create
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.apiserver.registry.update import PATCH_ATTEMPTS, change, is_missing
from pilothouse.apiserver.registry.view import MAIN, View
from pilothouse.apiserver.registry.write import in_thread_if_large
from pilothouse.client.call import APPLY_PATCH
from pilothouse.machinery import codec, empty_lists, strict
from pilothouse.machinery.errors import StatusError, bad_request, conflict, failure, unsupported_media_type
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry
from pilothouse.machinery.patch import apply, document, outcome, parts
from pilothouse.machinery.said_empty import FIELDS, containers
from pilothouse.machinery.unstructured import Unstructured

INVALID_VERSION = "request to convert CR to an invalid group/version: autoscaling/v1"
UNRECORDED = (
    "failed to create manager for existing fields: failed to convert live object (/; autoscaling/v1, Kind=Scale) to proper version: "
    f"{INVALID_VERSION}"
)
UNCONVERTED = "failed to convert new object ({}/{}; autoscaling/v1, Kind=Scale) to proper version: " + INVALID_VERSION
"""Upstream cannot apply a Scale of a custom kind that changes anything."""


async def patch(store: RegistryStore, request: Request, view: View) -> Entry:
    """Patch an object through a view, or create it by an apply. Returns the view's entry."""
    call = request.call
    if call.patch_type == APPLY_PATCH:
        return await _apply(store, request, view)
    if call.patch_type not in parts.CHANGES:
        accepted = ", ".join((*parts.CHANGES, APPLY_PATCH))
        raise unsupported_media_type(f"the body of the request was in an unknown format - accepted media types include: {accepted}")
    body = call.body if isinstance(call.body, bytes) else orjson.dumps(call.body)
    given = tuple(request.warnings)
    looks_at_all = request.served is not request.resource or request.resource.strategy.status_defaults_by_spec  # conversion, defaults
    taken = None if looks_at_all else view.fields_read

    def body_of(current: Entry) -> Any:
        seen = view.read(request.resource, current.in_version(request.served).object)
        if view.body is not None:  # a patch sees the managers of the count, though nobody else is shown them
            seen.metadata.managedFields = managers.record_in(view, request.resource, current.object)
        decoded = parts.apply_patch(seen, body, call.patch_type, request.options.field_validation, store.catalogue.level, taken)
        request.warnings[:] = [*given, *decoded.warnings]
        if call.said_empty is not None and FIELDS.search(body):
            call.said_empty.add(containers(orjson.loads(body), decoded.object))
        if b"[]" in body:
            call.empty_lists = empty_lists.patched(orjson.loads(body), decoded.object)
        return _checked(request, decoded.object, seen)

    try:
        return await change(store, request, view, body_of, PATCH_ATTEMPTS)
    except StatusError as error:
        if is_missing(error, request):  # upstream looks whether a patch is JSON before it looks for the object
            document.check_json(body)
        raise


def _checked(request: Request, made: Any, seen: Any) -> Any:
    """The outcome of a patch; a resourceVersion that it did not touch is no condition."""
    strategy.match_namespace(made, request.namespace)
    strategy.match_name(made, request.name)
    if seen is not None and made.metadata.resourceVersion == seen.metadata.resourceVersion:
        made.metadata.resourceVersion = ""
    return made


async def _apply(store: RegistryStore, request: Request, view: View) -> Entry:
    """Server-side apply: what is not there is made."""
    config, repeated = _configuration(request)
    given = tuple(request.warnings)
    request.applies = True
    writer = managers.writer_of(store, request, view.body)

    def body_of(current: Entry) -> Any:
        seen = view.read(request.resource, current.in_version(request.served).object)
        live = codec.to_dict(seen)
        live["metadata"].pop("managedFields", None)
        known = managers.record_in(view, request.resource, current.object)
        is_custom_scale = view.body is not None and request.resource.is_hub
        if not known and is_custom_scale:
            apply.check_kind(config, writer)
            raise failure(500, "", UNRECORDED)
        applied = apply.apply(live, known, config, writer, force=request.options.force)
        if is_custom_scale and applied[0] is not live:
            metadata = applied[0].get("metadata") or {}
            raise failure(500, "", UNCONVERTED.format(metadata.get("namespace", ""), metadata.get("name", "")))
        return codec.at_level(_applied(request, config, applied, seen, [*given, *_warnings(request, repeated)]), store.catalogue.level)

    try:
        return await change(store, request, view, body_of, PATCH_ATTEMPTS)
    except StatusError as error:
        if view is not MAIN or not is_missing(error, request):
            raise
    applied = await in_thread_if_large(request.call, apply.apply, None, (), config, writer)
    made = codec.at_level(_applied(request, config, applied, None, [*given, *_warnings(request, repeated)]), store.catalogue.level)
    if made.metadata.uid:
        cause = f"uid mismatch: the provided object specified uid {made.metadata.uid}, and no existing object was found"
        raise conflict(request.resource.plural, request.resource.group, request.name, cause)
    made.metadata.resourceVersion = ""  # upstream does not ask which version it was
    call = replace(request.call, verb="create", body=made, name="")
    return CreatedEntry.of(await create(store, replace(request, call=call), request.name))


def _applied(
    request: Request, config: dict[str, Any], applied: tuple[dict[str, Any], list[ManagedFieldsEntry]], seen: Any, warnings: list[str]
) -> Any:
    """The typed outcome of an apply, with its record. `seen` is what it was applied to; None for a new object."""
    after, entries = applied
    made = outcome.applied_object(after, config, request.served.type if seen is None else type(seen))
    if isinstance(made, Unstructured) and made.RULES is not None:  # what stands where a schema says no more than "object" is no mistake
        made.RULES.prune(made.content, keep_nulls=True)
    request.warnings[:] = warnings
    made.metadata.managedFields = entries
    return _checked(request, made, seen)


def _configuration(request: Request) -> tuple[dict[str, Any], list[str]]:
    """What the body says, and keys that are there twice."""
    repeated: list[str] = []
    body = request.call.body
    try:
        config = codec.parse(body, APPLY_PATCH, repeated) if isinstance(body, bytes) else body
    except ValueError as error:
        if bytes(body).lstrip().startswith(b"{"):
            raise bad_request(f"error decoding patch: {error}") from error
        raise bad_request(f"error encoding patch: {str(error).removeprefix('error converting YAML to JSON: ')}") from error
    if config is None:
        config = {}
    if not isinstance(config, dict):
        problem = f"cannot unmarshal {strict.described(config)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding patch: error unmarshaling JSON: while decoding JSON: json: {problem}")
    return config, repeated


def _warnings(request: Request, repeated: list[str]) -> list[str]:
    """Warnings of keys that are there twice; an error under fieldValidation Strict."""
    if repeated and request.options.field_validation == "Strict":
        from pilothouse.machinery import yaml

        raise bad_request(f"error strict decoding patch: error converting YAML to JSON: {yaml.unmarshal_errors(repeated)}")
    return [] if request.options.field_validation == "Ignore" else repeated
