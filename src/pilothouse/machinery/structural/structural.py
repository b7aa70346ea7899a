"""StructuralSchema: validation, pruning and defaulting by one version's schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from pilothouse.machinery.problems import Problems
from pilothouse.machinery.structural import checking, defaulting, embedding, listtypes, pruning
from pilothouse.machinery.structural.correlating import Correlation
from pilothouse.machinery.structural.explaining import explain
from pilothouse.machinery.structural.failures import report
from pilothouse.machinery.structural.schema import META_FIELDS, Node, has_rules, parse


class StructuralSchema:
    """Structural schema of one version: prunes, defaults and validates its objects.

    Without a schema (`of(None)`) everything is unknown but apiVersion, kind and metadata.
    """

    def __init__(self, data: Mapping[str, Any] | None) -> None:
        self._data = data

    @classmethod
    def of(cls, data: Mapping[str, Any] | None) -> StructuralSchema:
        """The schema of an openAPIV3Schema as data."""
        return cls(data)

    @cached_property
    def root(self) -> Node:
        """The tree of the schema."""
        return parse(self._data)

    @cached_property
    def _clean(self) -> pruning.Clean:
        return pruning.CleanChecks().of(self.root, embedded=True)

    @cached_property
    def _default(self) -> defaulting.Defaulter | None:
        return defaulting.defaulter(self.root)

    @cached_property
    def _check(self) -> checking.Check | None:
        return checking.checker(self.root)

    @cached_property
    def _check_status(self) -> checking.Check | None:
        status = self.root.properties.get("status")
        return checking.checker(status) if status is not None else None

    @cached_property
    def _unrepeated(self) -> checking.Check | None:
        return listtypes.checker(self.root)

    @cached_property
    def _has_embedded(self) -> bool:
        return embedding.has_embedded(self.root)

    @cached_property
    def reads_root(self) -> bool:
        """Whether validation looks at apiVersion, kind and metadata of the object: else the value may lack them."""
        root = self.root
        named = META_FIELDS & (root.properties.keys() | set(root.required))
        counted = any(root.data.get(limit) is not None for limit in ("minProperties", "maxProperties", "enum"))
        return bool(named or counted or root.all_of or root.any_of or root.one_of or root.unless)

    @cached_property
    def has_rules(self) -> bool:
        """Whether the schema has CEL rules, here or below."""
        return has_rules(self.root)

    def prune(self, value: dict[str, Any], *, keep_nulls: bool = False) -> list[str]:
        """Take out, in place, fields that the schema does not know, and then nulls that it does not allow; the paths of the fields."""
        if self._clean(value):
            return []
        unknown = pruning.prune(value, self.root, root=True)
        if not keep_nulls:
            self.drop_nulls(value)
        return unknown

    def drop_nulls(self, value: dict[str, Any]) -> None:
        """Take out, in place, nulls that the schema neither allows nor replaces by a default."""
        pruning.drop_nulls(value, self.root)

    def default(self, value: dict[str, Any]) -> None:
        """Write the schema's defaults into the object, in place."""
        if self._default is not None:
            self._default(value)

    def coerce(self, value: dict[str, Any], *, drop_invalid: bool = False) -> list[str]:
        """Read the metadata of embedded resources and write it back, in place; the paths of its unknown fields.

        embedding.Unreadable (as text the field error) for an apiVersion, kind or metadata that is none, unless they are to be dropped.
        """
        return embedding.coerce(value, self.root, drop_invalid=drop_invalid) if self._has_embedded else []

    def validate(
        self, value: dict[str, Any], problems: Problems, old: dict[str, Any] | None = None, then: Callable[[], None] | None = None
    ) -> None:
        """Report what is wrong with an object, or with the change from `old`: by the schema, in embedded metadata, in typed lists.

        `then` is called after the first of these: what it reports stands there.
        """
        if self._check is not None and not self._check(value):
            correlation = Correlation(value, old, self.root) if old is not None else None
            report(explain(self.root, value, "", correlation).failures, problems)
        if then is not None:
            then()
        if self._has_embedded:
            embedding.validate(value, self.root, problems)
        self._validate_list_types(value, problems, old)

    def validate_status(self, value: dict[str, Any], problems: Problems, old: dict[str, Any]) -> None:
        """The same for a change of the status alone."""
        schema, status = self.root.properties.get("status"), value.get("status")
        if schema is not None and "status" in value and self._check_status is not None and not self._check_status(status):
            correlation = Correlation(value, old, self.root).field("status") or Correlation(status, old.get("status"), schema)
            report(explain(schema, status, "", correlation).failures, problems.at("status"))
        self._validate_list_types(value, problems, old)

    def _validate_list_types(self, value: dict[str, Any], problems: Problems, old: dict[str, Any] | None) -> None:
        """Lists that were wrong before an update may stay so."""
        if self._unrepeated is None or self._unrepeated(value):
            return
        if old is not None:
            before = Problems()
            listtypes.validate(old, self.root, before)
            if before:
                return
        listtypes.validate(value, self.root, problems)
