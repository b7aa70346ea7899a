"""All built-in resources, found by discovery: a file in `api/<group>/` that declares a `Resource` is all that a kind needs."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import pilothouse.api
from pilothouse.kit import plugins
from pilothouse.machinery.resource import Resource

T = TypeVar("T")


@cache
def resources() -> tuple[Resource[Any], ...]:
    """Every built-in resource, in the order of group, version and plural."""
    found = plugins.instances(pilothouse.api, Resource)
    return tuple(sorted(found, key=lambda one: (one.group, one.version, one.plural)))


@cache
def _by_type() -> dict[type[Any], Resource[Any]]:
    return {one.type: one for one in resources()}


@cache
def _by_kind() -> dict[tuple[str, str, str], Resource[Any]]:
    return {(one.group, one.version, one.kind): one for one in resources()}


@cache
def _by_plural() -> dict[tuple[str, str, str], Resource[Any]]:
    return {(one.group, one.version, one.plural): one for one in resources()}


def resource_of(kind: type[T]) -> Resource[T]:
    """The resource of a struct class; KeyError for a class that is no top-level kind."""
    return _by_type()[kind]


def by_kind(group: str, version: str, kind: str) -> Resource[Any] | None:
    return _by_kind().get((group, version, kind))


def by_plural(group: str, version: str, plural: str) -> Resource[Any] | None:
    return _by_plural().get((group, version, plural))
