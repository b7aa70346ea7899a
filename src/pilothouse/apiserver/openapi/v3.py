"""OpenAPI version 3: one document a group and version, and the index of them with a hash each, so that clients can keep them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pilothouse import API_LEVEL
from pilothouse.apiserver.openapi.definitions import ALWAYS, Schema, closure, custom_schemas, digest, is_custom, load, shared
from pilothouse.apiserver.openapi.operations import BODY_OPTIONAL, Operation, Parameter, operations
from pilothouse.machinery.resource import Resource, per_resource

REFERENCE = "#/components/schemas/"
MEDIA_TYPES = ("application/json", "application/yaml")
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


def path_of(group: str, version: str) -> str:
    """Path of a group and version in the index: `api/v1`, `apis/apps/v1`."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def index(resources: Iterable[Resource[Any]]) -> dict[str, Any]:
    """/openapi/v3."""
    by_path: dict[str, list[Resource[Any]]] = {}
    for resource in resources:
        by_path.setdefault(path_of(resource.group, resource.version), []).append(resource)
    return {"paths": {name: {"serverRelativeURL": url_of(name, hash_of(name, mine))} for name, mine in sorted(by_path.items())}}


def url_of(name: str, hashed: str) -> str:
    """URL of a document with this hash."""
    return f"/openapi/v3/{name}?hash={hashed}"


def hash_of(name: str, resources: Iterable[Resource[Any]]) -> str:
    """Changes when the document of these resources does: with the built-in schemas, or with the schemas of other kinds."""
    return _hash_of(name, "".join(sorted(_digest_of(resource) for resource in resources if is_custom(resource))))


@per_resource
def _digest_of(resource: Resource[Any]) -> str:
    """Changes when the documents of a custom kind do."""
    names = (resource.api_version, resource.plural, resource.kind, resource.list_kind, resource.namespaced)
    said = json.dumps([*names, sorted(resource.subresources), sorted(resource.selectable_fields), resource.schema])
    return hashlib.sha256(said.encode()).hexdigest()


@lru_cache(maxsize=1024)
def _hash_of(name: str, schemas: str) -> str:
    return hashlib.sha512(f"{digest()} {name}{schemas}".encode()).hexdigest().upper()


def document(resources: Iterable[Resource[Any]], group: str, version: str, level: str = API_LEVEL) -> dict[str, Any]:
    """/openapi/v3/<name>."""
    every = list(resources)
    mine = sorted((each for each in every if (each.group, each.version) == (group, version)), key=lambda resource: resource.plural)
    made = list(operations(mine))
    custom = [resource for resource in mine if is_custom(resource)]
    schemas = dict(shared(level)[0]) if custom == mine else load(every, level)
    for resource in custom:
        schemas |= custom_schemas(resource, level)
    wanted = {name for route in made for name in (route.takes, route.gives) if name}
    components = {name: rewritten(name, schema) for name, schema in closure(schemas, wanted | set(ALWAYS)).items()}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": level},
        "paths": paths(made, components),
        "components": {"schemas": components},
    }


def paths(made: Iterable[Operation], components: dict[str, Any]) -> dict[str, Any]:
    """Path items by path, sorted, of these operations."""
    by_path: dict[str, Any] = {}
    for route in made:
        by_path.setdefault(route.path, {})[route.method] = operation(route, components)
    return dict(sorted(by_path.items()))


def operation(operation: Operation, components: dict[str, Any]) -> dict[str, Any]:
    """An operation as OpenAPI v3 JSON."""
    result: dict[str, Any] = {
        "tags": [operation.tag],
        "operationId": operation.id,
        "parameters": [*(in_path(name) for name in operation.in_path), *(in_query(parameter) for parameter in operation.parameters)],
        "responses": {"200": {"description": "OK", "content": content(MEDIA_TYPES, operation.gives, components)}},
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": operation.gvk,
    }
    if operation.takes:
        types = operation.patch_types if operation.verb == "patch" else ("*/*",)
        result["requestBody"] = {"content": content(types, operation.takes, components), "required": operation.verb not in BODY_OPTIONAL}
    return result


def content(types: Iterable[str], name: str, components: dict[str, Any]) -> dict[str, Any]:
    """A body by its media types, each with a reference to schema `name`, or a plain string schema when the document lacks it."""
    schema = {"$ref": REFERENCE + name} if name in components else {"type": "string"}
    return {media_type: {"schema": schema} for media_type in types}


def in_path(name: str) -> dict[str, Any]:
    """A parameter in the path: `name` or `namespace`."""
    text = {"name": "name of the object", "namespace": "object name and auth scope, such as for teams and projects"}[name]
    return {"name": name, "in": "path", "description": text, "required": True, "schema": {"type": "string", "uniqueItems": True}}


def in_query(parameter: Parameter) -> dict[str, Any]:
    """A parameter in the query."""
    name, kind, text = parameter
    return {"name": name, "in": "query", "description": text, "schema": {"type": kind, "uniqueItems": True}}


def rewritten(name: str, schema: Schema) -> Any:
    """A schema as version 3 says it."""
    if name == INT_OR_STRING:
        return {"description": schema["description"], "format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
    if name == QUANTITY:
        return {"description": schema["description"], "oneOf": [{"type": "string"}, {"type": "number"}]}
    return _rewritten(schema)


def _rewritten(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_rewritten(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):  # version 3 allows nothing beside a reference: hence the allOf, as upstream writes it
        reference = {"$ref": REFERENCE + schema["$ref"]}
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {"allOf": [reference], **rest} if rest else reference
    return {key: _rewritten(value) for key, value in schema.items()}
