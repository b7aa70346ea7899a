"""Patch: the client's change applied to what there is now, retried when that changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
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
from pilothouse.client.call import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from pilothouse.machinery import codec, strict
from pilothouse.machinery.errors import StatusError, bad_request, conflict, unsupported_media_type
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry
from pilothouse.machinery.patch import apply, json, merge, outcome, strategic

Applier = Callable[[dict[str, Any], Any, type[Any]], dict[str, Any]]
APPLIERS: dict[str, Applier] = {JSON_PATCH: json.apply, MERGE_PATCH: merge.apply, STRATEGIC_MERGE_PATCH: strategic.apply}


async def patch(store: RegistryStore, request: Request, view: View) -> Entry:
    """The view of the object as it is now; of an apply, also of one that was made by it."""
    call = request.call
    if call.patch_type == APPLY_PATCH:
        return await _apply(store, request, view)
    if call.patch_type not in APPLIERS:
        accepted = ", ".join((*APPLIERS, APPLY_PATCH))
        raise unsupported_media_type(f"the body of the request was in an unknown format - accepted media types include: {accepted}")
    body = call.body if isinstance(call.body, bytes) else orjson.dumps(call.body)

    def body_of(current: Entry) -> Any:
        seen = view.read(request.resource, current.served(request.served).object)
        after = APPLIERS[call.patch_type](codec.to_dict(seen), body, type(seen))
        return _object_of(request, after, body, type(seen), seen.metadata.resourceVersion)

    return await change(store, request, view, body_of, PATCH_ATTEMPTS)


def _object_of(request: Request, after: dict[str, Any], body: Any, kind: type[Any], version: str) -> Any:
    """The typed result of a patch; a resourceVersion that the patch did not touch is no condition."""
    decoded = outcome.object_of(after, body, request.call.patch_type, kind, request.options.field_validation)
    request.warnings[:] = decoded.warnings
    result = decoded.object
    strategy.match_namespace(result, request.namespace)
    strategy.match_name(result, request.name)
    if result.metadata.resourceVersion == version:
        result.metadata.resourceVersion = ""
    return result


async def _apply(store: RegistryStore, request: Request, view: View) -> Entry:
    """Server-side apply: what is not there is made."""
    config, repeated = _configuration(request)
    request.applies = True
    writer = managers.writer_of(store, request, view.body)

    def body_of(current: Entry) -> Any:
        seen = view.read(request.resource, current.served(request.served).object)
        live = codec.to_dict(seen)
        live["metadata"].pop("managedFields", None)
        known = managers.record_in(view, request.resource, current.object)
        found = apply.apply(live, known, config, writer, force=request.options.force)
        made = _applied(request, config, found, type(seen), _warnings(request, repeated))
        if made.metadata.resourceVersion == seen.metadata.resourceVersion:
            made.metadata.resourceVersion = ""  # what is not said is no condition
        return made

    try:
        return await change(store, request, view, body_of, PATCH_ATTEMPTS)
    except StatusError as error:
        if view is not MAIN or not is_missing(error, request):
            raise
    found = apply.apply(None, (), config, writer)
    made = _applied(request, config, found, request.served.type, _warnings(request, repeated))
    if made.metadata.uid:
        cause = f"uid mismatch: the provided object specified uid {made.metadata.uid}, and no existing object was found"
        raise conflict(request.resource.plural, request.resource.group, request.name, cause)
    made.metadata.resourceVersion = ""  # upstream does not ask which version it was
    call = replace(request.call, verb="create", body=made, name="")
    return CreatedEntry.of(await create(store, replace(request, call=call)))


def _applied(
    request: Request,
    config: dict[str, Any],
    outcome_of: tuple[dict[str, Any], list[ManagedFieldsEntry]],
    kind: type[Any],
    warnings: list[str],
) -> Any:
    """The typed outcome of an apply, with its record."""
    after, entries = outcome_of
    made = outcome.applied_object(after, config, kind)
    request.warnings[:] = warnings
    strategy.match_namespace(made, request.namespace)
    strategy.match_name(made, request.name)
    made.metadata.managedFields = entries
    return made


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
        found = f"cannot unmarshal {strict.described(config)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding patch: error unmarshaling JSON: while decoding JSON: json: {found}")
    return config, repeated


def _warnings(request: Request, repeated: list[str]) -> list[str]:
    """Warnings of keys that are there twice; an error under fieldValidation Strict."""
    if repeated and request.options.field_validation == "Strict":
        from pilothouse.machinery import yaml

        raise bad_request(f"error strict decoding patch: error converting YAML to JSON: {yaml.unmarshal_errors(repeated)}")
    return [] if request.options.field_validation == "Ignore" else repeated
