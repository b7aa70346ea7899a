"""The schemas of custom kinds as they are published: with the fields that all objects have, and in version 2 less than was declared.

- In version 3 a schema is what the definition says, int-or-string spelled out.
- In version 2 kubectl would refuse fields that it does not find: what preserves unknown fields says nothing of its fields, what may be
  null nothing of its type, and alternatives and defaults are left out.

Upstream: apiextensions-apiserver/pkg/controller/openapi (builder and v2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilothouse.machinery.resource import Resource

Schema = dict[str, Any]
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
OBJECT_META, LIST_META = f"{META}.ObjectMeta", f"{META}.ListMeta"
GVK = "x-kubernetes-group-version-kind"
PRESERVES, EMBEDDED, INT_OR_STRING = (
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
)
ALTERNATIVES = ("allOf", "oneOf", "anyOf", "not")
EITHER = [{"type": "integer"}, {"type": "string"}]
CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"

ObjectFields = Mapping[str, Schema]
"""The schemas of apiVersion, kind, metadata, and of the metadata of lists, with the prose that they have everywhere."""


def object_fields(schemas: Mapping[str, Schema]) -> ObjectFields:
    """The fields of all objects, as the built-in schemas have them."""
    known = schemas.get("io.k8s.api.core.v1.ConfigMap", {}).get("properties", {})
    text: Schema = {"type": "string"}
    return {
        "apiVersion": known.get("apiVersion", text),
        "kind": known.get("kind", text),
        "metadata": known.get("metadata", {"$ref": OBJECT_META}),
        "listMetadata": schemas.get("io.k8s.api.core.v1.ConfigMapList", {}).get("properties", {}).get("metadata", {"$ref": LIST_META}),
    }


def schemas_of(resource: Resource[Any], name: str, fields: ObjectFields, *, version: int) -> dict[str, Schema]:
    """The schemas of a kind, whose own is called `name`, and of its list, for a version of OpenAPI."""
    gvk = {"group": resource.group, "version": resource.version}
    list_name = f"{name.rpartition('.')[0]}.{resource.list_kind}"
    own = _published(resource.schema, fields, version) | {GVK: [{**gvk, "kind": resource.kind}]}
    listed = _list(resource, name, fields) | {GVK: [{**gvk, "kind": resource.list_kind}]}
    selectable = [{"fieldPath": field} for field in resource.selectable_fields]
    if selectable:
        own["x-kubernetes-selectable-fields"] = listed["x-kubernetes-selectable-fields"] = selectable
    return {name: own, list_name: listed}


def _published(schema: Mapping[str, Any] | None, fields: ObjectFields, version: int) -> Schema:
    if schema is None or (version == 2 and schema.get(PRESERVES)):
        return {"type": "object"}
    made = unfolded(schema)
    if version == 2:
        made = _in_version_two(made)
    made = _with_embedded(made, fields, version)
    made["properties"] = {**made.get("properties", {}), **_of_objects(fields)}
    return made


def _of_objects(fields: ObjectFields) -> Schema:
    return {name: fields[name] for name in ("apiVersion", "kind", "metadata")}


def _list(resource: Resource[Any], name: str, fields: ObjectFields) -> Schema:
    items = {"type": "array", "items": {"$ref": name}, "description": f"List of {resource.plural}. More info: {CONVENTIONS}"}
    return {
        "description": f"{resource.list_kind} is a list of {resource.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {"apiVersion": fields["apiVersion"], "items": items, "kind": fields["kind"], "metadata": fields["listMetadata"]},
    }


def _below(schema: Mapping[str, Any], change: Any) -> Schema:
    """A copy of a schema with `change` made to the schemas of its fields, items and other properties."""
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {name: change(field) for name, field in made["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(made.get(name), Mapping):
            made[name] = change(made[name])
    return made


def unfolded(schema: Mapping[str, Any]) -> Schema:
    """The schema with the alternatives of every int-or-string spelled out."""
    made = _below(schema, unfolded)
    if not made.get(INT_OR_STRING) or _has_either(made) or any(_has_either(part) for part in made.get("allOf", ())[:1]):
        return made
    if "anyOf" not in made:
        made["anyOf"] = EITHER
    else:
        made["allOf"] = [{"anyOf": EITHER}, *made.get("allOf", ())]
    return made


def _has_either(schema: Mapping[str, Any]) -> bool:
    return [part.get("type") for part in schema.get("anyOf", ())] == ["integer", "string"]


def _in_version_two(schema: Mapping[str, Any]) -> Schema:
    made = {name: value for name, value in schema.items() if name not in (*ALTERNATIVES, "default")}
    if made.pop("nullable", False):
        for name in ("type", "items", "properties"):
            made.pop(name, None)
    if made.get(PRESERVES):
        made.pop("items", None)
        made.pop("properties", None)
    if (made.get("type") == "array" and "items" not in made) or (made.get("type") == "object" and made.get(PRESERVES)):
        del made["type"]
    _drop_required(made)
    return _below(made, _in_version_two)


def _drop_required(made: Schema) -> None:
    """What may be null need not be there, as far as version 2 can tell."""
    others = made.get("additionalProperties")
    nullable = {name for name, field in made.get("properties", {}).items() if field.get("nullable")}
    required = [name for name in made.get("required", ()) if name not in nullable]
    if isinstance(others, Mapping) and others.get("nullable"):
        required = []
    if required:
        made["required"] = required
    else:
        made.pop("required", None)


def _with_embedded(schema: Mapping[str, Any], fields: ObjectFields, version: int) -> Schema:
    made = _below(schema, lambda below: _with_embedded(below, fields, version))
    if made.get(EMBEDDED) and not (version == 2 and made.get(PRESERVES)):
        made["properties"] = {**made.get("properties", {}), **_of_objects(fields)}
        required = made.get("required", [])
        made["required"] = [*required, *(name for name in ("kind", "apiVersion") if name not in required)]
    return made
