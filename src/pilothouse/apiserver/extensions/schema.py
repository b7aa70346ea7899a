"""Pruning, defaulting and validation of custom objects by their version's schema.

Order, as upstream: what the schema does not know is taken out, defaults are filled in; metadata are validated, then the object by its
schema, then its Scale, then its CEL rules are run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

import msgspec

from pilothouse.apiserver.extensions import scale
from pilothouse.machinery import names
from pilothouse.machinery.metadata import STANDARD_FINALIZERS
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.structural import StructuralSchema
from pilothouse.machinery.structural.schema import Node, parse
from pilothouse.machinery.unstructured import Unstructured

if TYPE_CHECKING:
    from pilothouse.api.apiextensions.rules.running import RuleSet

_content = msgspec.json.Encoder(order="deterministic").encode
PREFER = "to avoid accidental conflicts with other finalizer writers"


class DeferredSchema(StructuralSchema):
    """A schema whose data are made when it is first used."""

    def __init__(self, make: Callable[[], Mapping[str, Any] | None]) -> None:
        super().__init__(None)
        self._make = make

    @cached_property
    def root(self) -> Node:
        """The parsed schema, made on first use."""
        return parse(self._make())


class Preserving:
    """The rules of a definition that preserves unknown fields everywhere, as old ones may."""

    def __init__(self, schema: StructuralSchema) -> None:
        self._schema = schema

    def prune(self, value: dict[str, Any], *, keep_nulls: bool = False) -> list[str]:
        """Remove nothing: unknown fields are preserved."""
        return []

    def coerce(self, value: dict[str, Any], *, drop_invalid: bool = False) -> list[str]:
        """Make the metadata of embedded resources what ObjectMeta holds of it, in place; gives the paths of its unknown fields."""
        return self._schema.coerce(value, drop_invalid=drop_invalid)


def add_hooks(resource: Resource[Any], schema: StructuralSchema) -> None:
    """Have the objects of a resource defaulted, validated and read by its schema."""
    kind: type[Unstructured] = resource.type

    @cache
    def rules() -> RuleSet:
        from pilothouse.api.apiextensions.rules.running import RuleSet  # late: CEL takes 60 ms to import

        return RuleSet(schema)

    def run_rules(problems: Problems, new: Unstructured, old: Unstructured | None = None) -> None:
        if schema.has_rules:
            rules().validate(root_object(new), problems, root_object(old) if old is not None else None)

    @resource.default
    def default(obj: Unstructured) -> None:
        schema.default(obj.content)

    @resource.validate_create
    def validate(obj: Unstructured, problems: Problems) -> None:
        schema.validate(schema_view(obj, schema), problems, then=partial(scale.validate, resource, obj, problems))
        run_rules(problems, obj)

    @resource.validate_update
    def validate_update(old: Unstructured, new: Unstructured, problems: Problems) -> None:
        schema.validate(schema_view(new, schema), problems, schema_view(old, schema), partial(scale.validate, resource, new, problems))
        run_rules(problems, new, old)

    @resource.validate_status
    def validate_status(old: Unstructured, new: Unstructured, problems: Problems) -> None:
        schema.validate_status(schema_view(new, schema), problems, schema_view(old, schema))
        scale.validate(resource, new, problems, spec=False)
        run_rules(problems, new, old)

    def complete(obj: Unstructured) -> None:
        """The default of the status, which nobody says at creation, is that of its readers."""
        status = schema.root.properties.get("status")
        if status is not None and status.default is not None and "status" not in obj.content:
            schema.default(obj.content)

    if "status" in resource.subresources:
        resource.complete = complete
    resource.warn(finalizer_warnings)
    resource.read = _reader(kind, schema)


def schema_view(obj: Unstructured, schema: StructuralSchema) -> dict[str, Any]:
    """The object as its schema looks at it: of the metadata a schema may speak of the name alone."""
    return root_object(obj) if schema.reads_root else obj.content


def root_object(obj: Unstructured) -> dict[str, Any]:
    """The object with its apiVersion, its kind and the names in its metadata."""
    metadata = {name: value for name in ("name", "generateName") if (value := getattr(obj.metadata, name))}
    return {"apiVersion": obj.apiVersion, "kind": obj.kind, "metadata": metadata, **obj.content}


def _reader(kind: type[Unstructured], schema: StructuralSchema) -> Callable[[Unstructured], bool]:
    def read(obj: Unstructured) -> bool:
        """Bring an object of the store up to the schema of today; whether that changed it."""
        before = _content(obj.content)
        fit(obj, schema)
        is_old = obj.metadata.generation == 0
        if is_old:  # of the first custom resources
            obj.metadata.generation = 1
        return is_old or _content(obj.content) != before

    return read


def fit(obj: Unstructured, schema: StructuralSchema) -> None:
    """Prune an object of the store, and set defaults."""
    trim(obj)
    schema.default(obj.content)


def trim(obj: Unstructured) -> None:
    """Prune an object of another version. Upstream sets only the defaults of the storage version."""
    rules = obj.RULES
    if rules is not None:
        rules.prune(obj.content)
        rules.coerce(obj.content, drop_invalid=True)


def adapt(obj: Unstructured, target: Resource[Any]) -> None:
    """Bring an object that was converted to the version of `target` into what it is when it is read there."""
    if target.stored_as is None:
        fit(obj, target.remembered[StructuralSchema])
    else:
        trim(obj)


def finalizer_warnings(new: Unstructured, old: Unstructured | None) -> list[str]:
    """Warnings about finalizers without a domain, which others might use, too."""
    known = set(old.metadata.finalizers) if old is not None else set()
    warnings: list[str] = []
    for name in sorted(set(new.metadata.finalizers) - known):
        where = f"metadata.finalizers: {go_quoted(name)}"
        warnings += [f"{where}: {problem}" for problem in names.qualified_name(name)]
        if "/" not in name and name not in STANDARD_FINALIZERS:
            path = " including a path (/)" if "." in name else ""
            warnings.append(f"{where}: prefer a domain-qualified finalizer name{path} {PREFER}")
    return warnings
