"""The objects of a request as webhooks are sent them, and what a JSON Patch of theirs makes of the object. Pure."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.admission.matching.versions import Version, is_convertible, stored, versioned
from pilothouse.apiserver.admission.plugin import AdmissionRequest
from pilothouse.apiserver.admission.webhooks.response import no_kind
from pilothouse.apiserver.webhooks.answers import META, NO_KIND
from pilothouse.machinery import codec, strict
from pilothouse.machinery.coercing import decode_coerced
from pilothouse.machinery.errors import internal_error
from pilothouse.machinery.patch.json import PatchFailed, perform
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.shape import shape_of
from pilothouse.machinery.unstructured import Unstructured


class RequestObjects:
    """JSON of a request's object and old object by version, each made once: most webhooks see the same."""

    def __init__(self, request: AdmissionRequest) -> None:
        self._request = request
        self._known: dict[tuple[bool, Version], tuple[Any, bytes | None]] = {}

    def __call__(self, version: Version) -> tuple[bytes | None, bytes | None]:
        return self._json(False, self._request.object, version), self._json(True, self._request.old_object, version)

    def _json(self, is_old: bool, obj: Any, version: Version) -> bytes | None:
        known = self._known.get((is_old, version))
        if known is None or known[0] is not obj:
            encoded = None if obj is None else codec.encode(versioned(obj, self._request, version))
            known = self._known[is_old, version] = obj, encoded
        return known[1]


def patched(request: AdmissionRequest, version: Version, operations: list[dict[str, Any]]) -> bool:
    """Make what the operations make of the request's object its object, with defaults; returns whether it is another one. StatusError 500
    when an operation does not apply, or what comes of it is no object of the kind."""
    resource = version.resource if is_convertible(request) else request.exchanged
    before = versioned(request.object, request, version)
    try:
        value = perform(codec.to_dict(before), operations)
    except PatchFailed as error:
        raise internal_error(str(error)) from error
    new = _object_of(value, resource)
    is_changed = bool(new != before)
    for hook in resource.defaults:
        hook(new)
    request.object = stored(new, request, version)
    return is_changed


def _object_of(value: Any, resource: Resource[Any]) -> Any:
    if not isinstance(value, dict):
        raise internal_error(f"{NO_KIND}json: cannot unmarshal {strict.described(value)} into Go value of type {META}")
    kind, api_version = str(value.get("kind") or ""), str(value.get("apiVersion") or "")
    if (kind, api_version) != (resource.kind, resource.api_version):
        raise internal_error(no_kind(kind, api_version))
    if issubclass(resource.type, Unstructured):
        try:
            return decode_coerced(value, resource.type)[0]
        except ValueError as error:
            raise internal_error(str(error)) from error
    shape = shape_of(resource.type)
    if wrong := strict.type_error(value, shape):
        raise internal_error(wrong)
    return codec.set_type_meta(codec.convert(strict.without_nulls(value, shape), resource.type))
