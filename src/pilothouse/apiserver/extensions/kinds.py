"""`Resource`s for the versions of a CustomResourceDefinition. Pure.

What is costly (schemas) is made when it is first used: definitions come by the hundred, and few of their kinds are used at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import orjson

from pilothouse.api.types.apiextensions_v1 import (
    CustomResourceDefinition,
    CustomResourceDefinitionVersion,
    CustomResourceSubresourceScale,
)
from pilothouse.apiserver.extensions.columns import columns_of, view
from pilothouse.apiserver.extensions.converter import WebhookConverter
from pilothouse.apiserver.extensions.schema import DeferredSchema, Preserving, adapt, add_hooks
from pilothouse.machinery import access, codec, jsonpath, versions
from pilothouse.machinery.patch.document import go_text
from pilothouse.machinery.resource import STATUS, Resource, Scale, Subresource
from pilothouse.machinery.strategy import METADATA, Strategy
from pilothouse.machinery.structural import StructuralSchema
from pilothouse.machinery.unstructured import Unstructured, unstructured_resource

RULES_BYTES = 4 * 1024
"""Objects from here on are validated in a thread where their schema has CEL rules, which may take their whole budget."""
COMPRESSED_BYTES = 8 * 1024
"""Texts of schemas from here on are kept compressed."""


def _has_rules(version: CustomResourceDefinitionVersion) -> bool:
    declared = version.schema.openAPIV3Schema if version.schema is not None else None
    return declared is not None and b'"x-kubernetes-validations"' in codec.encode(declared)


def resources_of(definition: CustomResourceDefinition, converter: WebhookConverter | None = None) -> tuple[Resource[Any], ...]:
    """All versions, the stored one first; those that are not served may have been stored once.

    `converter` is that of a definition with a conversion webhook.
    """
    versions = sorted(definition.spec.versions or (), key=is_not_stored)
    stored: Resource[Any] | None = None
    made: list[Resource[Any]] = []
    for version in versions:
        resource = _resource(definition, version, stored)
        stored = stored or resource
        made.append(resource)
    for resource in made:
        resource.versions = tuple(made)
        resource.converter = converter
        if converter is not None and resource.stored_as is not None:
            resource.to_stored, resource.from_stored = _in_thread(converter, made[0]), _in_thread(converter, resource)
    return tuple(made)


def is_not_stored(version: CustomResourceDefinitionVersion) -> bool:
    """Whether a version is served only, not the one in which objects are stored."""
    return not version.storage


def _resource(
    definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion, stored: Resource[Any] | None
) -> Resource[Any]:
    names, spec = definition.status.acceptedNames, definition.spec
    data = schema_of(version)
    schema = DeferredSchema(data)
    fields = _selectable_fields(version)
    resource = unstructured_resource(
        spec.group,
        version.name,
        names.kind,
        names.plural,
        singular=names.singular,
        list_kind=names.listKind,
        short_names=names.shortNames,
        categories=names.categories,
        namespaced=spec.scope == "Namespaced",
        subresources=_subresources(version),
        columns=columns_of(version.additionalPrinterColumns),
        stored_as=stored,
        reset_fields={"": ("status",) if _has_status(version) else (), "status": ("metadata", "spec")},
        schema=data,
        rules=Preserving(schema) if spec.preserveUnknownFields else schema,
        selectable_fields=fields,
        indexes=fields,
        strategy=_strategy(definition),
    )
    resource.is_hub, resource.is_served = True, version.served
    resource.deprecation = deprecation_of(definition, version)
    add_hooks(resource, schema)
    if _has_rules(version):
        resource.offload_bytes = RULES_BYTES
    resource.remembered[StructuralSchema] = schema
    if stored is not None:
        resource.to_stored, resource.from_stored = _renamed(stored), _renamed(resource)
    return resource


def _selectable_fields(version: CustomResourceDefinitionVersion) -> dict[str, Callable[[Any], str]]:
    return {field.jsonPath.removeprefix("."): _field(field.jsonPath) for field in version.selectableFields}


def _field(path: str) -> Callable[[Any], str]:
    """What a selector compares: the value as text, nothing where there is none."""
    try:
        compiled = jsonpath.compile(path)
    except ValueError:
        return lambda obj: ""

    def value(obj: Any) -> str:
        try:
            values = compiled.find(view(obj, compiled.head))
        except jsonpath.PathError:
            return ""
        return go_text(values[0]) if values and values[0] is not None else ""

    return value


def deprecation_of(definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion) -> str:
    """Deprecation warning of a version; "" when it is not deprecated."""
    if not version.deprecated:
        return ""
    if version.deprecationWarning is not None:
        return version.deprecationWarning
    group, kind, mine = definition.spec.group, definition.spec.names.kind, versions.order(version.name)
    others = [other.name for other in definition.spec.versions or () if other.served and not other.deprecated]
    newer = sorted((name for name in others if versions.order(name) < mine), key=versions.order)
    instead = f"; use {group}/{newer[0]} {kind}" if newer else ""
    return f"{group}/{version.name} {kind} is deprecated{instead}"


def _strategy(definition: CustomResourceDefinition) -> Strategy:
    return Strategy(
        allow_unconditional_update=False,
        generation=anything_changed,
        any_finalizer=True,
        status_keeps=METADATA,
        storage_prefix=f"{definition.spec.group}/{definition.status.acceptedNames.plural}",
    )


def anything_changed(old: Any, new: Any) -> bool:
    """Anything but the metadata differs: a status that is no subresource is like any other field."""
    return bool(access.changed_fields(old, new))


def _has_status(version: CustomResourceDefinitionVersion) -> bool:
    return version.subresources is not None and version.subresources.status is not None


def _subresources(version: CustomResourceDefinitionVersion) -> tuple[Subresource | Scale, ...]:
    status = (STATUS,) if _has_status(version) else ()
    declared = version.subresources.scale if version.subresources is not None else None
    return (*status, _scale(declared)) if declared is not None else status


def _scale(declared: CustomResourceSubresourceScale) -> Scale:
    replicas, status_replicas = (path.removeprefix(".") for path in (declared.specReplicasPath, declared.statusReplicasPath))
    return Scale(replicas, status_replicas, (declared.labelSelectorPath or "").removeprefix("."))


def schema_of(version: CustomResourceDefinitionVersion) -> Callable[[], dict[str, Any] | None]:
    """A function that parses the schema of a version, which takes much more memory than its text."""
    declared = version.schema.openAPIV3Schema if version.schema is not None else None
    if declared is None:
        return lambda: None
    text = codec.encode(declared)
    if len(text) < COMPRESSED_BYTES:
        return lambda: orjson.loads(text)
    compressed = zlib.compress(text, 1)
    return lambda: orjson.loads(zlib.decompress(compressed))


def _in_thread(converter: WebhookConverter, target: Resource[Any]) -> Callable[[Unstructured], Any]:
    """The conversion by a webhook, for code that does not run on the loop."""
    return lambda obj: converter.convert_one(obj, target)


def _renamed(target: Resource[Any]) -> Callable[[Unstructured], Unstructured]:
    """The conversion None: nothing but the version's name differs, and what the other version's schema makes of it."""

    def convert(obj: Unstructured) -> Unstructured:
        made: Unstructured = target.type(obj.metadata, codec.clone(obj.content))
        adapt(made, target)
        return made

    return convert
