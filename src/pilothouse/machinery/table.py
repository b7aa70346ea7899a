"""The server's answer to `kubectl get`: a Table of cells, made from the columns that a kind declares."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from pilothouse.machinery.resource import AGE, UNDECLARED, Column, Resource, Since
from pilothouse.machinery.time import age

NONE = "<none>"
NAME = Column("Name", lambda obj: obj.metadata.name, format="name")
GROUP = "meta.k8s.io"


def columns_of(resource: Resource[Any]) -> tuple[Column, ...]:
    """Columns of the Table: Name first, unless the kind places it elsewhere."""
    declared = (AGE,) if resource.columns is None else resource.columns
    return declared if any(column.name == "Name" and not column.raw for column in declared) else (NAME, *declared)


CREATED = "Created At"
"""The column of kinds for which upstream has no columns of their own: of these a Table without rows says `null`."""


def table(
    resource: Resource[Any],
    objects: Iterable[Any],
    now: datetime,
    include: str = "Metadata",
    *,
    version: str = "v1",
    metadata: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A Table in a form that the codec encodes. `include` is Metadata, Object or None; `metadata` is that of the list.

    All columns are always there: those of priority 1 and more are shown by the client for `-o wide`.
    """
    columns = columns_of(resource)
    rows = [row(resource, columns, obj, now, include, version) for obj in objects]
    return {
        "kind": "Table",
        "apiVersion": f"{GROUP}/{version}",
        "metadata": metadata or {},
        "columnDefinitions": [definition(column) for column in columns if column.priority != UNDECLARED],
        "rows": rows if rows or resource.is_hub or all(column.name != CREATED for column in columns) else None,
    }


def definition(column: Column) -> dict[str, Any]:
    """A `TableColumnDefinition` as JSON: name, type, format, description, priority."""
    kind = "string" if column.type == "date" and not column.raw else column.type
    return {
        "name": column.name,
        "type": kind,
        "format": column.format,
        "description": column.description or column.name,
        "priority": column.priority,
    }


def row(resource: Resource[Any], columns: tuple[Column, ...], obj: Any, now: datetime, include: str, version: str = "v1") -> dict[str, Any]:
    """One row of the Table; a watch sends each in a Table of its own."""
    shown = None
    if include == "Object":
        shown = obj
    elif include != "None":
        shown = partial(resource, obj, version)
    return {"cells": [cell(column, obj, now) for column in columns], "object": shown}


def cell(column: Column, obj: Any, now: datetime) -> Any:
    """One cell of a row as JSON.

    A date becomes its age at `now` (`5m`), a missing value `<none>`; columns of custom resources (`raw`) keep both as they are.
    """
    value = column.value(obj)
    if column.type == "date" and not column.raw:
        return age(value or "", now)
    if isinstance(value, Since):
        return value.text.replace("{}", age(value.moment, now))
    return NONE if value is None and not column.raw else value


def partial(resource: Resource[Any], obj: Any, version: str = "v1") -> dict[str, Any]:
    """The PartialObjectMetadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": f"{GROUP}/{version}", "metadata": metadata_of(resource, obj)}


def metadata_of(resource: Resource[Any], obj: Any) -> Any:
    """The metadata of an object, without what only the conversion to its version says there."""
    metadata = obj.metadata
    if not resource.conversion_annotations or not metadata.annotations:
        return metadata
    kept = {name: value for name, value in metadata.annotations.items() if name not in resource.conversion_annotations}
    return msgspec.structs.replace(metadata, annotations=kept)
