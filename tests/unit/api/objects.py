"""Objects as the registry makes them: decoded, defaulted, prepared, judged."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from pilothouse.api import catalogue
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource


def resource_for(document: dict[str, Any]) -> Resource[Any]:
    group, _, version = document["apiVersion"].rpartition("/")
    found = catalogue.known().by_kind(group, version, document["kind"])
    assert found is not None
    return found


def parsed(text: str | dict[str, Any]) -> Any:
    document = yaml.safe_load(text) if isinstance(text, str) else text
    return msgspec.convert(document, resource_for(document).type)


def defaulted(text: str | dict[str, Any]) -> Any:
    """The object with its defaults."""
    one = parsed(text)
    for hook in _resource_of(one).defaults:
        hook(one)
    return one


def created(text: str | dict[str, Any]) -> Any:
    """The object as it is stored when it is new."""
    one = defaulted(text)
    one.metadata.uid = one.metadata.uid or "uid-1"
    for hook in _resource_of(one).create_preparers:
        hook(one)
    return one


def wrong_with(text: str | dict[str, Any]) -> list[str]:
    """Everything that is wrong with a new object."""
    one = created(text)
    problems = Problems()
    for hook in (*_resource_of(one).validators, *_resource_of(one).create_validators):
        hook(one, problems)
    return [str(problem) for problem in problems.found]


def warned_of(text: str | dict[str, Any]) -> list[str]:
    """What the writer of a new object is told, though it is allowed."""
    one = created(text)
    return [warning for hook in _resource_of(one).warners for warning in hook(one, None)]


def wrong_with_change(old: Any, new: Any) -> list[str]:
    """Everything that is wrong with an update, both objects already as stored."""
    new.metadata.resourceVersion = new.metadata.resourceVersion or "1"
    problems = Problems()
    resource = _resource_of(old)
    for prepare in resource.update_preparers:
        prepare(old, new)
    for validate in resource.validators:
        validate(new, problems)
    for compare in resource.update_validators:
        compare(old, new, problems)
    return [str(problem) for problem in problems.found]


def wrong_with_status(old: Any, new: Any) -> list[str]:
    problems = Problems()
    for hook in _resource_of(old).status_validators:
        hook(old, new, problems)
    return [str(problem) for problem in problems.found]


def cells(one: Any, wide: bool = True) -> dict[str, Any]:
    """What the columns of a kind say of one object."""
    columns = _resource_of(one).columns or ()
    return {column.name: column.value(one) for column in columns if wide or not column.priority}


def _resource_of(one: Any) -> Resource[Any]:
    return catalogue.resource_of(type(one))
