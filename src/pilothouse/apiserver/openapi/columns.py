"""Descriptions of the columns of Tables: the prose of the field that a column shows, as upstream describes it.

The table (api/column_descriptions.tsv) names the field, or has the words where upstream has its own; the prose is that of the schemas,
read in a thread at the first Table.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from pilothouse.api import fields
from pilothouse.apiserver.openapi.definitions import FILE, name_of
from pilothouse.kit.offload import in_thread
from pilothouse.machinery.resource import Resource, per_resource

NAME, CREATED = "meta/v1.ObjectMeta.name", "meta/v1.ObjectMeta.creationTimestamp"
EVERYWHERE = {"Name": NAME, "Age": CREATED, "Created At": CREATED}
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class _Property(msgspec.Struct):
    description: str = ""


class _Schema(msgspec.Struct):
    properties: dict[str, _Property] = {}


async def descriptions(resource: Resource[Any]) -> Mapping[str, str]:
    """Column -> description, of those columns that the kind does not describe itself."""
    if not _prose.cache_info().currsize:
        await in_thread(_prose)
    return _of(resource)


@per_resource
def _of(resource: Resource[Any]) -> Mapping[str, str]:
    prose = _prose()
    told = {column: prose[field] for column, field in EVERYWHERE.items() if field in prose}
    for column, (field, text) in _rows().get((resource.api_version, resource.kind), {}).items():
        told[column] = prose.get(field, column) if field else text
    return told


@cache
def _rows() -> Mapping[tuple[str, str], Mapping[str, tuple[str, str]]]:
    """(apiVersion, kind) -> column -> its field, or its own words."""
    rows: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
    path = fields.FOLDER / "column_descriptions.tsv"
    for line in path.read_text().splitlines()[1:]:
        api_version, kind, column, field, text = line.split("\t")
        rows.setdefault((api_version, kind), {})[column] = (field, text.replace("\\n", "\n"))
    return rows


@cache
def _prose() -> Mapping[str, str]:
    """The prose of the fields that columns show, as `group/version.Type.field`; nothing in a source tree that was never built."""
    if not FILE.exists():
        return {}
    schemas = msgspec.json.decode(gzip.decompress(FILE.read_bytes()), type=dict[str, _Schema])
    wanted = {field for columns in _rows().values() for field, _ in columns.values() if field} | {NAME, CREATED}
    return {field: schemas[schema].properties[name].description for field in wanted for schema, name in [_place(field)]}


def _place(field: str) -> tuple[str, str]:
    """The schema and the property of a field."""
    of_type, _, name = field.rpartition(".")
    version, _, kind = of_type.partition(".")
    group, _, version = version.partition("/")
    return (OBJECT_META if group == "meta" else name_of("" if group == "core" else group, version, kind)), name
