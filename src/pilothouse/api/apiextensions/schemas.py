"""Validation of every schema in a definition.

- Problems come in upstream's order: those of a schema itself, of what is below it, and then of its lists, maps and rules. Those of CEL
  come after all others, and expressions of a schema are compiled only where nothing is wrong with it and below it.
- Fields are visited in the order of their names.

Upstream: ValidateCustomResourceDefinitionOpenAPISchema in apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pilothouse.api.apiextensions import fieldpaths
from pilothouse.api.apiextensions.structure import unreadable
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.structural.schema import EMBEDDED, LIST_KEYS, LIST_TYPE, MAP_TYPE, META_FIELDS, PRESERVE, RULES

Schema = Mapping[str, Any]

TYPES = ("array", "boolean", "integer", "number", "object", "string")
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
UNSUPPORTED = ("additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
LINE_BREAK = re.compile(r"[\n\r]")
KEY_NEEDED = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
KEY_NOT_NULL = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
IN_SET = "must be atomic as item of a list with x-kubernetes-list-type=set"
HEAD_OF_MAP = "inside additionalProperties applying to object metadata"
QUADRATIC = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
JUNCTORS = ("allOf", "oneOf", "anyOf")
SINGLE = frozenset({"items", "not", "additionalProperties", "additionalItems", *JUNCTORS})
NAMED = frozenset({"properties", "patternProperties", "definitions", "dependencies"})
"""Where a schema has others below it: one or a list of them, or some by their names."""


class Context(Protocol):
    """Compiles the CEL rules of a schema and of the schemas below it."""

    def below(self, schema: Schema) -> Context:
        """The context of a field, of items or of a map's values."""

    def compile(self, problems: Problems, uncorrelatable: str | None) -> None:
        """Report what is wrong with the rules; `uncorrelatable` is the path above that forbids oldSelf."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Validation rules of a schema by its position, and by what the old definition already had."""

    valid_types: bool = True
    atomic_sets: bool = True
    strict_map_keys: bool = True
    no_default: str | None = None
    """Why a default may not be set here."""
    in_head: bool = False
    uncorrelatable: str | None = None

    def without_old(self, path: str) -> Scope:
        """Scope below a schema without correlation to the old object."""
        return self if self.uncorrelatable is not None else replace(self, uncorrelatable=path)


@dataclass(slots=True)
class Walk:
    """A walk over the schemas of a definition: where it reports problems of schemas, and of CEL."""

    problems: Problems
    cel: Problems

    def validate(
        self, schema: Schema | None, steps: tuple[str | int, ...], scope: Scope, context: Context | None, *, root: bool = False
    ) -> None:
        """Report what is wrong with a schema and with all below it. `steps` is the path from the first one."""
        if schema is None:
            return
        here, before = self.problems.at(*steps), len(self.problems.found)
        _of_standard(schema, scope, here)
        self._below(schema, steps, scope, context, root)
        _extensions(schema, scope, here)
        rules = schema.get(RULES) or []
        for index, rule in enumerate(rules):
            _rule(rule, schema, here.at(RULES, index))
        if rules and context is not None and len(self.problems.found) == before:
            context.compile(self.cel.at(*steps, RULES), scope.uncorrelatable)

    def _below(self, schema: Schema, steps: tuple[str | int, ...], scope: Scope, context: Context | None, root: bool) -> None:
        here = self.problems.at(*steps)
        if schema.get("uniqueItems"):
            here.at("uniqueItems").forbidden(QUADRATIC)
        additional, fields = schema.get("additionalProperties"), schema.get("properties") or {}
        if additional is not None:
            if fields and additional is not True:
                here.at("additionalProperties").forbidden("additionalProperties and properties are mutual exclusive")
            inner = replace(scope, no_default=HEAD_OF_MAP) if scope.in_head else scope
            if isinstance(additional, dict):
                self.validate(additional, (*steps, "additionalProperties"), inner, context and context.below(additional))
        for name in sorted(fields):
            inner = scope if schema.get(MAP_TYPE) in (None, "granular", "atomic") else scope.without_old(here.path)
            if (root or schema.get(EMBEDDED)) and name in META_FIELDS:
                inner = replace(inner, in_head=True, no_default=f"in top-level {name}" if root else inner.no_default)
            self.validate(fields[name], (*steps, "properties", f"[{name}]"), inner, context and context.below(fields[name]))
        self.validate(schema.get("not"), (*steps, "not"), scope, None)
        for junctor in JUNCTORS:
            for index, part in enumerate(schema.get(junctor) or ()):
                self.validate(part, (*steps, junctor, index), scope, None)
        for name, part in sorted((schema.get("definitions") or {}).items()):
            self.validate(part, (*steps, "definitions", f"[{name}]"), scope, None)
        self._items(schema, steps, scope, context)
        for name, part in sorted((schema.get("dependencies") or {}).items()):
            if isinstance(part, dict):
                self.validate(part, (*steps, "dependencies", f"[{name}]"), scope, None)

    def _items(self, schema: Schema, steps: tuple[str | int, ...], scope: Scope, context: Context | None) -> None:
        items = schema.get("items")
        if items is None:
            return
        inner = scope if schema.get(LIST_TYPE) == "map" else scope.without_old(self.problems.at(*steps).path)
        if isinstance(items, dict):
            self.validate(items, (*steps, "items"), inner, context and context.below(items))
        for index, part in enumerate(items if isinstance(items, list) else ()):
            self.validate(part, (*steps, "items", index), inner, context and context.below(part))


def _of_standard(schema: Schema, scope: Scope, problems: Problems) -> None:
    """What of OpenAPI is not supported."""
    kind = schema.get("type") or ""
    if scope.valid_types and kind and kind not in TYPES:
        problems.at("type").not_supported(kind, TYPES)
    if schema.get("default") is not None and scope.no_default is not None:
        problems.at("default").forbidden(f"must not be set {scope.no_default}".rstrip())
    if schema.get("id"):
        problems.at("id").forbidden("id is not supported")
    for name in UNSUPPORTED:
        if name in schema and schema[name] not in (None, {}):
            problems.at(name).forbidden(f"{name} is not supported")
    if kind == "null":
        problems.at("type").forbidden("type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), list) and schema["items"]:
        problems.at("items").forbidden("items must be a schema object and not an array")
    if scope.in_head and schema.get(EMBEDDED):
        problems.at(EMBEDDED).forbidden("must not be used inside of resource meta")


def _extensions(schema: Schema, scope: Scope, problems: Problems) -> None:
    kind, list_type, map_type = schema.get("type") or "", schema.get(LIST_TYPE), schema.get(MAP_TYPE)
    if schema.get(PRESERVE) is False:
        problems.at(PRESERVE).invalid(False, "must be true or undefined")
    if map_type is not None:
        _of_type(kind, "object", MAP_TYPE, problems)
        if map_type not in ("atomic", "granular"):
            problems.at(MAP_TYPE).not_supported(map_type, ("atomic", "granular"))
    if list_type is not None:
        if not _of_type(kind, "array", LIST_TYPE, problems) and scope.atomic_sets:
            _set(schema, problems)
        if list_type not in ("atomic", "set", "map"):
            problems.at(LIST_TYPE).not_supported(list_type, ("atomic", "set", "map"))
    if schema.get(LIST_KEYS) and list_type != "map":
        words = "must be map if x-kubernetes-list-map-keys is non-empty"
        problems.at(LIST_TYPE).required(words) if list_type is None else problems.at(LIST_TYPE).invalid(list_type, words)
    if list_type == "map":
        _map(schema, problems)
    if scope.strict_map_keys:
        validate_keys(schema, problems)


def _of_type(kind: str, wanted: str, by: str, problems: Problems) -> bool:
    """Report where an extension stands on a schema of another type."""
    if kind == wanted:
        return False
    words = f"must be {wanted} if {by} is specified"
    problems.at("type").invalid(kind, words) if kind else problems.at("type").required(words)
    return True


def is_unatomic(schema: Schema) -> str:
    """The extension by which the items of a set would be atomic and are not; "" where they are."""
    items = schema.get("items")
    if schema.get(LIST_TYPE) != "set" or not isinstance(items, dict):
        return ""
    if items.get("type") == "array" and items.get(LIST_TYPE) not in (None, "atomic"):
        return LIST_TYPE
    return MAP_TYPE if items.get("type") == "object" and items.get(MAP_TYPE) != "atomic" else ""


def _set(schema: Schema, problems: Problems) -> None:
    if name := is_unatomic(schema):
        problems.at("items", name).invalid(schema["items"].get(LIST_TYPE), IN_SET)  # upstream shows the list type of both


def _map(schema: Schema, problems: Problems) -> None:
    keys, items = schema.get(LIST_KEYS) or [], schema.get("items")
    if not keys:
        problems.at(LIST_KEYS).required("must not be empty if x-kubernetes-list-type is map")
    if items is None:
        problems.at("items").required("must have a schema if x-kubernetes-list-type is map")
        return
    if not isinstance(items, dict):
        problems.at("items").invalid(items, "must only have a single schema if x-kubernetes-list-type is map")
        return
    if (kind := items.get("type") or "") != "object":
        problems.at("items", "type").invalid(kind, "must be object if parent array's x-kubernetes-list-type is map")
        return
    fields = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in fields:
            problems.at(LIST_KEYS).invalid(keys, "entries must all be names of item properties")
        elif fields[key].get("type") in ("array", "object"):
            words = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            problems.at("items", "properties", f"[{key}]", "type").invalid(kind, words)
        if key in keys[:index]:
            problems.at(LIST_KEYS).invalid(keys, "must not contain duplicate entries")


def validate_keys(schema: Schema, problems: Problems) -> None:
    """Items of sets and maps are not null; keys of maps are never absent, nor null."""
    items, list_type = schema.get("items"), schema.get(LIST_TYPE)
    if not isinstance(items, dict) or list_type not in ("set", "map"):
        return
    if items.get("nullable"):
        problems.at("items", "nullable").forbidden(f"cannot be nullable when x-kubernetes-list-type is {list_type}")
    fields = items.get("properties") or {}
    for key in schema.get(LIST_KEYS) or () if list_type == "map" else ():
        if key not in fields:
            continue
        here = problems.at("items", "properties", f"[{key}]")
        if key not in (items.get("required") or ()) and fields[key].get("default") is None:
            here.at("default").required(KEY_NEEDED)
        if fields[key].get("nullable"):
            here.at("nullable").forbidden(KEY_NOT_NULL)


def _rule(rule: Schema, schema: Schema, problems: Problems) -> None:
    """The form of a rule of x-kubernetes-validations; its expressions are CEL's business."""
    expression, message, reason, path = rule.get("rule") or "", rule.get("message") or "", rule.get("reason"), rule.get("fieldPath") or ""
    if not expression.strip():
        problems.at("rule").required("rule is not specified")
    elif message and not message.strip():
        problems.at("message").invalid(message, "must be non-empty if specified")
    elif LINE_BREAK.search(message.strip()):
        problems.at("message").invalid(message, "must not contain line breaks")
    elif LINE_BREAK.search(expression.strip()) and not message.strip():
        problems.at("message").required("message must be specified if rule contains line breaks")
    if rule.get("messageExpression") and not rule["messageExpression"].strip():
        problems.at("messageExpression").required("messageExpression must be non-empty if specified")
    if reason is not None and reason not in REASONS:
        problems.at("reason").not_supported(reason, REASONS)
    if path and not path.strip():
        problems.at("fieldPath").invalid(path, "must be non-empty if specified")
    if LINE_BREAK.search(path):
        problems.at("fieldPath").invalid(path, "must not contain line breaks")
    if path and not unreadable(schema):
        try:
            fieldpaths.resolve(path, schema)
        except fieldpaths.WrongPath:
            problems.at("fieldPath").invalid(path, "must be a valid path")


def has(schema: Any, wanted: Callable[[Schema], bool]) -> bool:
    """Whether a schema, or one anywhere below it, is as wanted."""
    if not isinstance(schema, dict):
        return False
    if wanted(schema):
        return True
    for name in SINGLE & schema.keys():
        part = schema[name]
        if any(has(below, wanted) for below in part) if isinstance(part, list) else has(part, wanted):
            return True
    return any(has(part, wanted) for name in NAMED & schema.keys() for part in (schema[name] or {}).values())
