"""OpenAPI version 2 (Swagger): one document for everything, for older clients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from pilothouse import API_LEVEL
from pilothouse.apiserver.openapi.definitions import closure, custom_schemas, is_custom, load, schema_name
from pilothouse.apiserver.openapi.operations import BODY_OPTIONAL, STATUS, Operation, Parameter, operations
from pilothouse.machinery.resource import Resource

REFERENCE = "#/definitions/"


Parts = tuple[dict[str, Any], dict[str, Any]]
"""Paths and definitions, of some kinds."""


def document(resources: Iterable[Resource[Any]], level: str = API_LEVEL) -> dict[str, Any]:
    """/openapi/v2."""
    every = list(resources)
    paths, definitions = built_in([resource for resource in every if not is_custom(resource)], level)
    for resource in filter(is_custom, every):
        more_paths, more_definitions = custom(resource, level)
        for more, known in ((more_paths, paths), (more_definitions, definitions)):
            known.update((name, part) for name, part in more.items() if name not in known)
    return head(level) | {"paths": dict(sorted(paths.items())), "definitions": dict(sorted(definitions.items()))}


def head(level: str) -> dict[str, Any]:
    """Version and title of the document; `level` is the Kubernetes version."""
    return {"swagger": "2.0", "info": {"title": "Kubernetes", "version": level}}


def built_in(resources: Iterable[Resource[Any]], level: str) -> Parts:
    """The parts of all built-in kinds."""
    every = sorted(resources, key=lambda resource: (resource.group, resource.version, resource.plural))
    schemas = load(every, level)
    made = list(operations(every))
    wanted = {name for operation in made for name in (operation.takes, operation.gives) if name} | {STATUS}
    wanted |= {schema_name(resource) for resource in every}
    definitions = {name: rewritten(schema) for name, schema in closure(schemas, wanted).items()}
    return _paths(made, definitions), definitions


def custom(resource: Resource[Any], level: str) -> Parts:
    """Parts of the document for a custom kind, which may refer to built-in schemas."""
    definitions = {name: rewritten(schema) for name, schema in custom_schemas(resource, level, 2).items()}
    return _paths(operations((resource,)), None), definitions


def _paths(made: Iterable[Operation], definitions: dict[str, Any] | None) -> dict[str, Any]:
    by_path: dict[str, Any] = {}
    for route in made:
        by_path.setdefault(route.path, {})[route.method] = operation(route, definitions)
    return by_path


def operation(operation: Operation, definitions: dict[str, Any] | None) -> dict[str, Any]:
    """An operation; without `definitions` all that it refers to is there."""
    parameters = [*in_path(operation.in_path), *in_query(operation.parameters)]
    if operation.takes:
        body = reference(operation.takes, definitions)
        parameters.append({"name": "body", "in": "body", "required": operation.verb not in BODY_OPTIONAL, "schema": body})
    return {
        "tags": [operation.tag],
        "operationId": operation.id,
        "consumes": list(operation.patch_types) if operation.verb == "patch" else ["*/*"],
        "produces": ["application/json", "application/yaml"],
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "schema": reference(operation.gives, definitions)}},
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": operation.gvk,
    }


@cache
def in_path(names: tuple[str, ...]) -> Sequence[dict[str, Any]]:
    """The parameters of a path: shared by all who ask."""
    return [{"name": name, "in": "path", "type": "string", "required": True, "uniqueItems": True} for name in names]


@cache
def in_query(parameters: tuple[Parameter, ...]) -> Sequence[dict[str, Any]]:
    """The parameters of a query: shared by all who ask."""
    return [{"name": name, "in": "query", "type": kind, "description": text, "uniqueItems": True} for name, kind, text in parameters]


def reference(name: str, definitions: dict[str, Any] | None) -> dict[str, Any]:
    """A `$ref` to a definition, or a plain string schema when `definitions` lacks it."""
    return {"$ref": REFERENCE + name} if definitions is None or name in definitions else {"type": "string"}


def rewritten(schema: Any) -> Any:
    """A schema with its references as version 2 says them."""
    if isinstance(schema, list):
        return [rewritten(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: REFERENCE + value if key == "$ref" and isinstance(value, str) else rewritten(value) for key, value in schema.items()}
