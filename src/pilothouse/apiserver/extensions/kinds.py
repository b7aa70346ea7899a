"""From a definition to the `Resource`s of its versions. Pure.

What is costly (schemas) is made when it is first used: definitions come by the hundred, and few of their kinds are used at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.api.types.apiextensions_v1 import (
    CustomResourceDefinition,
    CustomResourceDefinitionVersion,
    CustomResourceSubresourceScale,
)
from pilothouse.apiserver.extensions.columns import columns_of
from pilothouse.machinery import access, codec
from pilothouse.machinery.resource import STATUS, Resource, Scale, Subresource
from pilothouse.machinery.strategy import METADATA, Strategy
from pilothouse.machinery.unstructured import Unstructured, unstructured_resource


def resources_of(definition: CustomResourceDefinition) -> tuple[Resource[Any], ...]:
    """The versions that are stored or served, the stored one first."""
    versions = sorted((version for version in definition.spec.versions or () if version.storage or version.served), key=is_not_stored)
    stored: Resource[Any] | None = None
    made: list[Resource[Any]] = []
    for version in versions:
        resource = _resource(definition, version, stored)
        stored = stored or resource
        made.append(resource)
    for resource in made:
        resource.versions = tuple(made)
    return tuple(made)


def is_not_stored(version: CustomResourceDefinitionVersion) -> bool:
    return not version.storage


def _resource(
    definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion, stored: Resource[Any] | None
) -> Resource[Any]:
    names, spec = definition.status.acceptedNames, definition.spec
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
        schema=schema_of(version),
        strategy=_strategy(definition),
    )
    resource.is_hub, resource.is_served = True, version.served
    if stored is not None:
        resource.to_stored, resource.from_stored = _renamed(stored.type), _renamed(resource.type)
    return resource


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


def schema_of(version: CustomResourceDefinitionVersion) -> dict[str, Any] | None:
    """The schema of a version as plain data."""
    declared = version.schema.openAPIV3Schema if version.schema is not None else None
    return codec.to_dict(declared) if declared is not None else None


def _renamed(kind: type[Unstructured]) -> Callable[[Unstructured], Unstructured]:
    """The conversion None: nothing but the version's name differs."""
    return lambda obj: kind(obj.metadata, obj.content)
