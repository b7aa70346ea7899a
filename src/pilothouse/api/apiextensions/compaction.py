"""Compaction of a committed definition: its schemas are structs of forty fields, a third of them lists and maps that are empty.

Every empty list becomes the same one, every empty map too, and the texts that name types and formats are kept once. That makes a
definition a third of its size. It rests on the rule that nobody changes a committed object.
"""

from __future__ import annotations

import sys
from operator import attrgetter
from typing import Any

import msgspec

from pilothouse.api.apiextensions.nested import schemas_below
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition, JSONSchemaProps

EMPTY: dict[type[Any], Any] = {list: [], dict: {}}
CONTAINERS = tuple(field.name for field in msgspec.structs.fields(JSONSchemaProps) if field.default_factory in EMPTY)
_containers = attrgetter(*CONTAINERS)


def compact(definition: CustomResourceDefinition) -> None:
    """Make a definition that is about to be committed smaller; what it says stays."""
    for version in definition.spec.versions or ():
        if version.schema is not None and version.schema.openAPIV3Schema is not None:
            _compact(version.schema.openAPIV3Schema)


def _compact(schema: JSONSchemaProps) -> None:
    for _, below in schemas_below(schema):
        _compact(below)
    for name, value in zip(CONTAINERS, _containers(schema), strict=True):
        if not value:
            setattr(schema, name, EMPTY[type(value)])
    schema.type, schema.format = sys.intern(schema.type), sys.intern(schema.format)
