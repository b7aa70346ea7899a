"""The schemas of all stable kinds by their full names (`io.k8s.api.core.v1.Pod`), and which of them a kind has.

The data file is made at build time. Where it is missing (a source tree that was never built) each kind has an object
without properties: clients then work without prose and without validation of their own.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from pilothouse import API_LEVEL
from pilothouse.api import fields
from pilothouse.apiserver.openapi import custom
from pilothouse.machinery.resource import Resource

FILE = Path(__file__).with_name("definitions.json.gz")
Schema = dict[str, Any]
DEFAULTS: dict[str, dict[str, Any]] = {
    "io.k8s.api.core.v1.ContainerPort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.ServicePort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.AzureDiskVolumeSource": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False},
    "io.k8s.api.core.v1.ISCSIVolumeSource": {"iscsiInterface": "default"},
    "io.k8s.api.core.v1.ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
    "io.k8s.api.core.v1.RBDVolumeSource": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "io.k8s.api.core.v1.RBDPersistentVolumeSource": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "io.k8s.api.core.v1.ScaleIOVolumeSource": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
    "io.k8s.api.core.v1.ScaleIOPersistentVolumeSource": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
    "io.k8s.api.core.v1.ConfigMapKeySelector": {"name": ""},
    "io.k8s.api.core.v1.SecretKeySelector": {"name": ""},
    "io.k8s.api.core.v1.LocalObjectReference": {"name": ""},
}
"""Defaults that upstream declares in its schemas (all others come from code, and are in no document)."""
META = custom.META
LIST_META = custom.LIST_META
ALWAYS = (f"{META}.APIResourceList", f"{META}.Status", f"{META}.DeleteOptions", f"{META}.WatchEvent", f"{META}.Patch")
"""Schemas that every document has."""
SCALE = "io.k8s.api.autoscaling.v1.Scale"
GROUPS_APART = {
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
}


def load(resources: Iterable[Resource[Any]], level: str = API_LEVEL) -> dict[str, Schema]:
    """All built-in schemas of an API level. Large: whoever asks makes his document of it and lets it go."""
    if not FILE.exists():
        return {schema_name(resource): untyped_schema(resource) for resource in resources if not is_custom(resource)}
    schemas: dict[str, Schema] = msgspec.json.decode(gzip.decompress(FILE.read_bytes()))
    for name, defaults in DEFAULTS.items():
        for field, value in defaults.items():
            schemas[name]["properties"][field]["default"] = value
    return schemas if level == API_LEVEL else dict(at_level(schemas, level))


@lru_cache(maxsize=4)
def shared(level: str) -> tuple[dict[str, Schema], custom.ObjectFields]:
    """Built-in schemas that documents of custom kinds refer to, with the fields of every object."""
    schemas = load((), level)
    return closure(schemas, (*ALWAYS, custom.OBJECT_META, LIST_META, SCALE)), custom.object_fields(schemas)


def custom_schemas(resource: Resource[Any], level: str = API_LEVEL, version: int = 3) -> dict[str, Schema]:
    """The schemas of a custom kind and its list, for a version of OpenAPI."""
    return custom.schemas_of(resource, schema_name(resource), shared(level)[1], version=version)


def is_custom(resource: Resource[Any]) -> bool:
    """Whether a kind is not in the built-in definitions."""
    return resource.is_hub or resource.schema is not None


def schema_name(resource: Resource[Any]) -> str:
    """The full name of a kind's schema; of a custom kind, its group's domain turned round (`com.example.v1.Widget`)."""
    if is_custom(resource):
        return f"{'.'.join(reversed(resource.group.split('.')))}.{resource.version}.{resource.kind}"
    return name_of(resource.group, resource.version, resource.kind)


def at_level(schemas: dict[str, Schema], level: str) -> Iterator[tuple[str, Schema]]:
    """The schemas and properties that there were at an API level, as the table of fields has it."""
    for name, schema in schemas.items():
        package, _, short = name.rpartition(".")
        group, _, version = package.rpartition(".")
        type_name = f"{group.rpartition('.')[2]}/{version}.{short}"
        known = {each.json for each in fields.json_fields(type_name, level)}
        if known and "properties" in schema:
            yield name, schema | {"properties": {field: each for field, each in schema["properties"].items() if field in known}}
        elif type_name not in fields.table() or fields.fields_of(type_name, level):
            yield name, schema


@cache
def digest() -> str:
    """Changes whenever a document may have changed."""
    content = FILE.read_bytes() if FILE.exists() else b""
    code = b"".join(path.read_bytes() for path in sorted(FILE.parent.glob("*.py")))
    return hashlib.sha512(content + code).hexdigest()


def name_of(group: str, version: str, kind: str) -> str:
    """The full name of a built-in kind's schema."""
    prefix = GROUPS_APART.get(group) or f"io.k8s.api.{group.partition('.')[0] or 'core'}"
    return f"{prefix}.{version}.{kind}"


def untyped_schema(resource: Resource[Any]) -> Schema:
    """Schema of a kind of which no more is known than group, version and kind."""
    gvk = {"group": resource.group, "kind": resource.kind, "version": resource.version}
    return {"type": "object", "x-kubernetes-group-version-kind": [gvk]}


def references(schema: Any) -> Iterator[str]:
    """The names that a schema refers to."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from references(item)


def closure(schemas: dict[str, Schema], names: Iterable[str]) -> dict[str, Schema]:
    """The named schemas and all that they refer to, in the order of their names."""
    reached: dict[str, Schema] = {}
    waiting = [name for name in names if name in schemas]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = schemas[name]
            waiting.extend(schema for schema in references(schemas[name]) if schema in schemas)
    return dict(sorted(reached.items()))
