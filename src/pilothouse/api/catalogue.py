"""The built-in kinds, found by discovery: a file in `api/<group>/` that declares a `Resource` is all that a kind needs."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import pilothouse.api
from pilothouse import API_LEVEL
from pilothouse.kit import plugins
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.resource import Resource

T = TypeVar("T")


@cache
def resources() -> tuple[Resource[Any], ...]:
    """Every built-in resource, in the order of group, version and plural."""
    instances = plugins.instances(pilothouse.api, Resource, without="pilothouse.api.expressions")
    return tuple(sorted(instances, key=lambda resource: (resource.group, resource.version, resource.plural)))


def built_in(level: str = API_LEVEL) -> Catalogue:
    """A catalogue of the built-in kinds of an API level (`1.35`), to which a cluster adds its own."""
    return Catalogue((resource for resource in resources() if getattr(resource.type, "LEVEL", "") <= level), level)


@cache
def known() -> Catalogue:
    """The built-in kinds as an unchanging catalogue, for external clients."""
    return built_in()


def resource_of(kind: type[T]) -> Resource[T]:
    """Built-in resource of a class, by its GVK. Raises LookupError for a class without one."""
    return known().of(kind)
