"""Whether a schema is structural: every field is described outside of allOf, anyOf, oneOf and not, and these only restrict values.

Problems come sorted by their text, as upstream sorts them.

Upstream: apiextensions-apiserver pkg/apiserver/schema (convert.go, validation.go, complete.go).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.machinery import codec, regex
from pilothouse.machinery.problems import Problem, Problems
from pilothouse.machinery.structural.schema import EMBEDDED, INT_OR_STRING, LIST_KEYS, LIST_TYPE, MAP_TYPE, PRESERVE, RULES

Schema = Mapping[str, Any]

ROOT, ITEM, FIELD = range(3)
EMPTY_TYPE = (
    "must not be empty at the root",
    "must not be empty for specified array items",
    "must not be empty for specified object fields",
)
UNSUPPORTED = ("id", "$schema", "$ref", "patternProperties", "dependencies", "additionalItems", "definitions")
RESTRICTING = ("not", "allOf", "anyOf", "oneOf")
UNSUPPORTED_WORDS = {"$schema": "schema"}
INT_OR_STRING_CHOICES = [{"type": "integer"}, {"type": "string"}]
ONLY_RESTRICTING: tuple[tuple[str, str], ...] = (
    ("default", "undefined"),
    ("title", "empty"),
    ("description", "empty"),
    ("nullable", "false"),
    (PRESERVE, "false"),
    (EMBEDDED, "false"),
    (INT_OR_STRING, "false"),
    (LIST_KEYS, "empty"),
    (LIST_TYPE, "undefined"),
    (MAP_TYPE, "undefined"),
    (RULES, "empty"),
)
"""What may not stand below allOf, anyOf, oneOf and not, and what it must be there."""
JUNCTORS = ("allOf", "anyOf", "oneOf")
EMBEDDED_OBJECT = "must be object if x-kubernetes-embedded-resource is true"
FIELDS_NEEDED = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
METADATA_ONLY = "must not specify anything other than name and generateName, but metadata is implicitly specified"
METADATA_ALLOWED = frozenset({"name", "generateName"})


def violations(definition: CustomResourceDefinition) -> list[Problem]:
    """Structural schema violations of a definition, as in the condition NonStructuralSchema."""
    problems = Problems()
    for index, version in enumerate(definition.spec.versions or ()):
        if version.schema is not None and version.schema.openAPIV3Schema is not None:
            validate(codec.to_dict(version.schema.openAPIV3Schema), problems.at("spec", "versions", index, "schema", "openAPIV3Schema"))
    return problems.found


def unreadable(schema: Schema | None) -> str:
    """Why no structural schema can be made of a schema at all; "" where one can."""
    if not isinstance(schema, dict):
        return ""
    for name in UNSUPPORTED:
        if name in schema and schema[name] not in (None, "", {}, []):
            return f"OpenAPIV3Schema '{UNSUPPORTED_WORDS.get(name, name)}' is not supported"
    for name in RESTRICTING:
        if name not in schema:
            continue
        for part in schema[name] if isinstance(schema[name], list) else (schema[name],):
            if problem := unreadable(part):
                return problem
    if schema.get(PRESERVE) is False:
        return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
    if isinstance(schema.get("items"), list) and schema["items"]:
        return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    below = [schema[name] for name in ("items", "additionalProperties") if name in schema] + list((schema.get("properties") or {}).values())
    return next((problem for part in below if (problem := unreadable(part))), "")


def validate(schema: Schema, problems: Problems) -> None:
    """Report, sorted, where a schema is not structural."""
    base = Problems(problems.path)
    _invariants(schema, ROOT, base)
    _complete(schema, schema, base, base)
    problems.found += sorted(base.found, key=str)


def _invariants(schema: Schema, level: int, problems: Problems) -> None:
    kind = schema.get("type") or ""
    items, additional = schema.get("items"), schema.get("additionalProperties")
    if kind == "array" and items is None:
        problems.at("items").required("must be specified")
    if items is not None:
        _invariants(items, ITEM, problems.at("items"))
    for name, below in (schema.get("properties") or {}).items():
        _invariants(below, FIELD, problems.at("properties", f"[{name}]"))
    if additional is not None:
        if level == ROOT:
            problems.at("additionalProperties").forbidden("must not be used at the root")
        if isinstance(additional, dict):
            _invariants(additional, FIELD, problems.at("additionalProperties"))
    if schema.get(INT_OR_STRING):
        for name in (PRESERVE, EMBEDDED):
            if schema.get(name):
                problems.at(name).invalid(True, "must be false if x-kubernetes-int-or-string is true")
    in_first = [dict(below) for below in ((schema.get("allOf") or [{}])[0].get("anyOf") or ())]
    _restrictions(
        schema,
        problems,
        level,
        skip_any_of=schema.get("anyOf") == INT_OR_STRING_CHOICES,
        skip_in_first=in_first == INT_OR_STRING_CHOICES,
    )
    _type(schema, kind, level, problems)
    _head(schema, level, problems)
    if schema.get(EMBEDDED) and not schema.get(PRESERVE) and not schema.get("properties"):
        problems.at("properties").required(FIELDS_NEEDED)


def _type(schema: Schema, kind: str, level: int, problems: Problems) -> None:
    here = problems.at("type")
    if schema.get(EMBEDDED) and kind != "object":
        if kind:
            here.invalid(kind, EMBEDDED_OBJECT)
        else:
            here.required(EMBEDDED_OBJECT)
    elif not kind and not schema.get(INT_OR_STRING) and not schema.get(PRESERVE):
        here.required(EMPTY_TYPE[level])
    if schema.get(EMBEDDED) and schema.get("additionalProperties") is not None:
        problems.at("additionalProperties").forbidden("must not be used if x-kubernetes-embedded-resource is set")
    if level == ROOT and kind and kind != "object":
        here.invalid(kind, "must be object at the root")


def _head(schema: Schema, level: int, problems: Problems) -> None:
    """apiVersion, kind and metadata of a resource."""
    fields = schema.get("properties") or {}
    is_resource = level == ROOT or schema.get(EMBEDDED)
    for name in ("kind", "apiVersion"):
        if name in fields and is_resource and (fields[name].get("type") or "") != "string":
            problems.at("properties", f"[{name}]", "type").invalid(fields[name].get("type") or "", "must be string")
    metadata = fields.get("metadata")
    if metadata is None:
        return
    here = problems.at("properties", "[metadata]")
    if is_resource and metadata.get("type") != "object":
        here.at("type").invalid(metadata.get("type") or "", "must be object")
    if level == ROOT:
        rest = {
            name: value for name, value in metadata.items() if name not in ("type", "default") and value not in (None, "", False, [], {})
        }
        if rest.get("properties", {}).keys() <= METADATA_ALLOWED:
            rest.pop("properties", None)
        if rest:
            here.forbidden(METADATA_ONLY)


def _restrictions(schema: Schema, problems: Problems, level: int, *, skip_any_of: bool = False, skip_in_first: bool = False) -> None:
    """The schemas below allOf, anyOf, oneOf and not, and the pattern."""
    if not skip_any_of:
        for index, below in enumerate(schema.get("anyOf") or ()):
            _only_restricts(below, problems.at("anyOf", index), level)
    for index, below in enumerate(schema.get("allOf") or ()):
        _only_restricts(below, problems.at("allOf", index), level, skip_any_of=skip_in_first and index == 0)
    for index, below in enumerate(schema.get("oneOf") or ()):
        _only_restricts(below, problems.at("oneOf", index), level)
    if schema.get("not") is not None:
        _only_restricts(schema["not"], problems.at("not"), level)
    if (pattern := schema.get("pattern")) and (problem := regex.problem(pattern)):
        problems.at("pattern").invalid(pattern, f"must be a valid regular expression, but isn't: {problem}")


def _only_restricts(schema: Schema, problems: Problems, level: int, *, skip_any_of: bool = False) -> None:
    _restrictions(schema, problems, level, skip_any_of=skip_any_of)
    if schema.get("items") is not None:
        _only_restricts(schema["items"], problems.at("items"), level)
    fields = schema.get("properties") or {}
    for name, below in fields.items():
        _only_restricts(below, problems.at("properties", f"[{name}]"), FIELD)
    if schema.get("type"):
        problems.at("type").forbidden("must be empty to be structural")
    if schema.get("additionalProperties") not in (None, False):
        problems.at("additionalProperties").forbidden("must be undefined to be structural")
    for name, wanted in ONLY_RESTRICTING:
        if name not in schema:
            continue
        if schema.get(name) not in (None, "", False, [], {}) or (name in ("default", LIST_TYPE, MAP_TYPE) and schema.get(name) is not None):
            problems.at(name).forbidden(f"must be {wanted} to be structural")
    if "metadata" in fields:
        problems.at("properties", "[metadata]").forbidden("must not be specified in a nested context")


def _complete(restricting: Schema, schema: Schema, problems: Problems, by: Problems) -> None:
    """What is restricted is described: `restricting` at the path of `by`, `schema` at that of `problems`."""
    if restricting.get("not") is not None:
        _described(restricting["not"], schema, problems, by.at("not"))
    for name in JUNCTORS:
        for index, below in enumerate(restricting.get(name) or ()):
            _described(below, schema, problems, by.at(name, index))


def _described(restricting: Schema, schema: Schema | None, problems: Problems, by: Problems) -> None:
    if schema is None:
        problems.required(f"because it is defined in {by.path}")
        return
    _complete(restricting, schema, problems, by)
    if restricting.get("items") is not None:
        _described(restricting["items"], schema.get("items"), problems.at("items"), by.at("items"))
    known = schema.get("properties") or {}
    for name, below in (restricting.get("properties") or {}).items():
        steps = ("properties", f"[{name}]")
        if name in known:
            _described(below, known[name], problems.at(*steps), by.at(*steps))
        else:
            problems.at(*steps).required(f"because it is defined in {by.at(*steps).path}")
