"""The object of a request as JSON in the version in which a policy changes it, and back.

Upstream: policy/mutating/dispatcher.go (dispatchOne): what was changed is decoded and defaulted before the next mutation sees it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilothouse.api.catalogue import known
from pilothouse.apiserver.admission.matching.versions import Version, aside, is_convertible, stored
from pilothouse.apiserver.admission.plugin import AdmissionRequest
from pilothouse.apiserver.admission.policies.patches import MutationFailed
from pilothouse.machinery import codec
from pilothouse.machinery.coercing import decode_coerced
from pilothouse.machinery.errors import StatusError, internal_error
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.patch.outcome import ConversionFailed, StrictDecodingFailed, converted, strictly_decoded
from pilothouse.machinery.patch.schema import Type, of_custom, of_shape
from pilothouse.machinery.resource import Resource, per_resource
from pilothouse.machinery.shape import shape_of
from pilothouse.machinery.unstructured import Unstructured

SCHEME = "pkg/runtime/scheme.go:111"


class VersionedObject:
    """The kind that a request exchanges, in one version."""

    def __init__(self, request: AdmissionRequest, version: Version) -> None:
        self._request, self._version = request, version
        self._resource = version.resource if is_convertible(request) else request.exchanged
        self._changed: Any = None

    @property
    def type(self) -> Type | None:
        """The schema by which configurations are merged. Upstream has none for what subresources exchange (Scale, Eviction)."""
        return schema_of(self._resource) if is_convertible(self._request) or self._resource.api_version == "v1" else None

    @property
    def kind(self) -> str:
        """The kind as messages show it."""
        return _shown(self._resource)

    async def store(self) -> None:
        """Make what `replace` was given last the request's object; StatusError 500 when a webhook cannot convert it."""
        if self._changed is None:
            return
        try:
            self._request.object = await aside(self._request, stored, self._changed, self._request, self._version)
        except StatusError as error:
            raise internal_error(f"failed to convert object: {error}") from error

    def replace(self, value: dict[str, Any], *, strict: bool) -> dict[str, Any]:
        """JSON that is to be the request's object, with its defaults. `strict` refuses fields that the kind does not have:
        StatusError 500, as upstream. MutationFailed when the JSON is no object of the kind, or the kind is another version's."""
        obj = self._decoded(value, strict)
        self._refuse_other_version()
        for hook in self._resource.defaults:
            hook(obj)
        self._changed = obj
        return codec.to_dict(obj)

    def _decoded(self, value: dict[str, Any], strict: bool) -> Any:
        if not issubclass(self._resource.type, Unstructured):
            return self._strictly(value) if strict else self._converted(value)
        try:
            return decode_coerced(value, self._resource.type)[0]
        except ValueError as error:
            raise internal_error(str(error)) from error

    def _converted(self, value: dict[str, Any]) -> Any:
        try:
            return converted(value, self._resource.type)
        except ConversionFailed as error:
            raise MutationFailed(f"unable to convert unstructured object to {_shown(self._resource)}: {error}") from error

    def _strictly(self, value: dict[str, Any]) -> Any:
        target = self._resource
        api_version, kind = str(value.get("apiVersion") or target.api_version), str(value.get("kind") or target.kind)
        group, _, version = api_version.rpartition("/")
        is_other = (api_version, kind) != (target.api_version, target.kind)
        made = known().by_kind(group, version, kind) if is_other else target
        if made is None:
            raise internal_error(f'no kind "{kind}" is registered for version "{api_version}" in scheme "{SCHEME}"')
        try:
            obj = strictly_decoded(value, made.type)
        except StrictDecodingFailed as error:
            raise internal_error(str(error)) from error
        if is_other:
            wanted = f"{target.group.partition('.')[0] or 'core'}.{target.kind}"
            raise internal_error(f"failed to convert object: converting ({version}.{kind}) to ({wanted}): unknown conversion")
        return obj

    def _refuse_other_version(self) -> None:
        """Upstream cannot convert what a policy makes of a built-in kind to another version than that of the request (1.37)."""
        target = self._request.exchanged
        if self._resource is target or not issubclass(target.type, msgspec.Struct):
            return
        source = self._resource
        text = f"converting ({source.version}.{source.kind}) to ({target.version}.{target.kind}): unknown conversion"
        raise MutationFailed(text)


def _shown(resource: Resource[Any]) -> str:
    return f"{resource.group}/{resource.version}, Kind={resource.kind}"


@per_resource
def schema_of(resource: Resource[Any]) -> Type:
    """The schema of a kind."""
    if issubclass(resource.type, msgspec.Struct):
        return of_shape(shape_of(resource.type))
    return of_custom(resource.schema, shape_of(ObjectMeta))
