"""The server's answer to `kubectl get`: a Table of cells, made from the columns that a kind declares."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pilothouse.machinery.resource import AGE, Column, Resource, Since
from pilothouse.machinery.time import age

NONE = "<none>"
NAME = Column(
    "Name",
    lambda one: one.metadata.name,
    format="name",
    description="Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically.",
)
GROUP = "meta.k8s.io"


def columns_of(resource: Resource[Any]) -> tuple[Column, ...]:
    """The columns as shown: the name stands first, unless the kind says where it stands."""
    declared = (AGE,) if resource.columns is None else resource.columns
    return declared if any(column.name == "Name" and not column.raw for column in declared) else (NAME, *declared)


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
    return {
        "kind": "Table",
        "apiVersion": f"{GROUP}/{version}",
        "metadata": metadata or {},
        "columnDefinitions": [definition(column) for column in columns],
        "rows": [row(columns, obj, now, include, version) for obj in objects],
    }


def definition(column: Column) -> dict[str, Any]:
    """A `TableColumnDefinition` as JSON: name, type, format, description, priority."""
    kind = "string" if column.type == "date" and not column.raw else column.type
    return {
        "name": column.name,
        "type": kind,
        "format": "name" if column.name == "Name" and not column.format and not column.raw else column.format,
        "description": column.description or column.name,
        "priority": column.priority,
    }


def row(columns: tuple[Column, ...], obj: Any, now: datetime, include: str, version: str = "v1") -> dict[str, Any]:
    """One row; also what a watch sends, in a Table of its own."""
    result: dict[str, Any] = {"cells": [cell(column, obj, now) for column in columns]}
    if include == "Object":
        result["object"] = obj
    elif include != "None":
        result["object"] = partial(obj, version)
    return result


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


def partial(obj: Any, version: str = "v1") -> dict[str, Any]:
    """The PartialObjectMetadata of an object."""
    metadata = obj["metadata"] if isinstance(obj, dict) else obj.metadata
    return {"kind": "PartialObjectMetadata", "apiVersion": f"{GROUP}/{version}", "metadata": metadata}
