"""Pruning of unknown fields by a structural schema, and dropping of nulls.

- `prune` gives the paths of what it took out, sorted as upstream sorts them; `drop_nulls` takes out nulls that are neither allowed nor
  replaced by a default.
- `CleanChecks` makes functions, once a schema, that tell whether there is anything to take out: of most objects there is nothing.
- At the root, as in every embedded resource, apiVersion, kind and metadata are always known.

Upstream: apiextensions-apiserver pkg/apiserver/schema/pruning, defaulting/prunenulls.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.machinery.structural.schema import META_FIELDS, Node

Clean = Callable[[Any], bool]
Below = tuple[Mapping[str, "Node | None"], "Node | None", bool]


def prune(value: Any, node: Node | None, *, root: bool) -> list[str]:
    """Prune `value` in place by `node`; the paths of the fields that are gone."""
    dropped: list[str] = []
    _prune(value, node, root or (node is not None and node.embedded), "", dropped)
    return sorted(dropped)


def _prune(value: Any, node: Node | None, embedded: bool, path: str, dropped: list[str]) -> None:
    if node is not None and node.preserve:
        _prune_preserved(value, node, embedded, path, dropped)
    elif value.__class__ is dict:
        for name in list(value):
            if embedded and name in META_FIELDS:
                continue
            child = node.properties.get(name) if node is not None else None
            if child is not None or (node is not None and node.has_additional):
                child = child if child is not None else node.additional if node is not None else None
                _prune(value[name], child, child is not None and child.embedded, f"{path}.{name}" if path else name, dropped)
                continue
            if path or node is None or name not in META_FIELDS:
                dropped.append(f"{path}.{name}" if path else name)
            del value[name]
    elif value.__class__ is list:
        items = node.items if node is not None else None
        for index, item in enumerate(value):
            _prune(item, items, items is not None and items.embedded, f"{path}[{index}]", dropped)


def _prune_preserved(value: Any, node: Node | None, embedded: bool, path: str, dropped: list[str]) -> None:
    """Unknown fields stay; what is known below is pruned by its own schema."""
    if node is None:
        return
    if value.__class__ is dict:
        for name, child in value.items():
            if embedded and name in META_FIELDS:
                continue
            below = node.properties.get(name)
            if below is None and not node.has_additional:
                continue
            below = below if below is not None else node.additional
            _prune(child, below, below is not None and below.embedded, f"{path}.{name}" if path else name, dropped)
    elif value.__class__ is list:
        for index, item in enumerate(value):  # upstream preserves in the items of a list whatever their own schema says
            items = node.items
            _prune_preserved(item, items, items is not None and items.embedded, f"{path}[{index}]", dropped)


def drop_nulls(value: Any, node: Node | None) -> None:
    """Take out of maps, in place, nulls that their schema does not allow and has no default for."""
    if node is None:
        return
    if value.__class__ is dict:
        for name in list(value):
            below, child = node.field(name), value[name]
            if child is None and below is not None and not below.nullable and below.default is None:
                del value[name]
            elif below is not None:
                drop_nulls(child, below)
    elif value.__class__ is list:
        for item in value:
            drop_nulls(item, node.items)


class CleanChecks:
    """Functions, one a schema, that tell whether an object is clean: nothing in it would be pruned, and nothing in it is null."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, bool, bool], Clean] = {}

    def of(self, node: Node | None, *, embedded: bool, preserving: bool = False) -> Clean:
        """Check of a schema. It returns False when the object has to be pruned."""
        if node is None:
            return _clean_when_preserved if preserving else _clean_without_schema
        key = (id(node), embedded, preserving)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(node, embedded, preserving or node.preserve)
        return made

    def _make(self, node: Node, embedded: bool, preserving: bool) -> Clean:
        fields = {name: self.of(child, embedded=child.embedded) for name, child in node.properties.items()}
        if embedded:
            fields |= dict.fromkeys(META_FIELDS, _anything)
        other: Clean | None = _clean_when_preserved if preserving else None
        if node.has_additional:
            other = self.of(node.additional, embedded=node.additional is not None and node.additional.embedded)
        items = self.of(node.items, embedded=node.items is not None and node.items.embedded, preserving=preserving)
        get = fields.get

        def clean(value: Any) -> bool:
            if value.__class__ is dict:
                for name, child in value.items():
                    below = get(name, other)
                    if below is None or child is None:
                        return False
                    kind = child.__class__
                    if (kind is dict or kind is list) and not below(child):
                        return False
            elif value.__class__ is list:
                for item in value:
                    kind = item.__class__
                    if (kind is dict or kind is list) and not items(item):
                        return False
            return True

        return clean


def _anything(value: Any) -> bool:
    return True


def _clean_when_preserved(value: Any) -> bool:
    return True


def _clean_without_schema(value: Any) -> bool:
    if value.__class__ is dict:
        return not value
    return value.__class__ is not list or all(map(_clean_without_schema, value))
