"""Schemas below `items`, `additionalProperties` and `dependencies` are read as those around them: these fields may be something else, too.

Upstream: the unmarshalling of JSONSchemaPropsOrArray, OrBool and OrStringArray (apiextensions v1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition, JSONSchemaProps
from pilothouse.machinery import codec, strict
from pilothouse.machinery.errors import StatusError, bad_request
from pilothouse.machinery.shape import shape_of

UNREADABLE = 'CustomResourceDefinition in version "v1" cannot be handled as a CustomResourceDefinition: '
PLACE = re.compile(r"into Go (?:value|struct field \w+(?P<field>\.\S+)) of type")


def read(definition: CustomResourceDefinition) -> None:
    """Bring every schema of a definition into the form of its type, in place; a 400 StatusError for what is none."""
    for version in definition.spec.versions or ():
        if version.schema is not None and version.schema.openAPIV3Schema is not None:
            _read(version.schema.openAPIV3Schema, "spec.versions.schema.openAPIV3Schema")


def _read(schema: JSONSchemaProps, path: str) -> None:
    for name, below in schemas_below(schema):
        _read(below, f"{path}.{name}")
    if isinstance(schema.items, list):
        schema.items = [_made(part, f"{path}.items") for part in schema.items]
    elif schema.items is not None:  # upstream reads nothing out of what is neither a schema nor a list
        schema.items = _made(schema.items, f"{path}.items") if isinstance(schema.items, dict) else None
    for name in ("additionalProperties", "additionalItems"):
        value = getattr(schema, name)
        if isinstance(value, dict):
            setattr(schema, name, _made(value, f"{path}.{name}"))
        elif value is not None and not isinstance(value, bool):
            raise bad_request(f"{UNREADABLE}boolean or JSON schema expected")
    for name, value in schema.dependencies.items():
        if isinstance(value, dict):
            schema.dependencies[name] = _made(value, f"{path}.dependencies")


def schemas_below(schema: JSONSchemaProps) -> Iterator[tuple[str, JSONSchemaProps]]:
    """The schemas below that are read by their type, and the names of their fields."""
    for name in ("properties", "patternProperties", "definitions"):
        for below in getattr(schema, name).values():
            yield name, below
    for name in ("allOf", "anyOf", "oneOf"):
        for below in getattr(schema, name):
            yield name, below
    if schema.not_ is not None:
        yield "not", schema.not_


def _made(value: Any, path: str) -> dict[str, Any]:
    try:
        if not isinstance(value, dict):
            raise bad_request(strict.type_error(value, shape_of(JSONSchemaProps)))
        made: JSONSchemaProps = codec.from_dict(value, JSONSchemaProps)
    except StatusError as error:
        raise bad_request(UNREADABLE + PLACE.sub(lambda place: _placed(place, path), error.status.message)) from None
    _read(made, path)
    return codec.to_dict(made)


def _placed(place: re.Match[str], path: str) -> str:
    """Where Go says that a value does not fit: it names the fields from the top on, and the struct that holds the last schema."""
    return f"into Go struct field JSONSchemaProps.{path}{place['field'] or ''} of type"
