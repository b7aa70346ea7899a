"""Defaults of a structural schema are written into an object: where a field is absent, or null and not allowed to be.

Upstream: apiextensions-apiserver pkg/apiserver/schema/defaulting.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from pilothouse.machinery.structural.schema import Node

Defaulter = Callable[[Any], None]


def defaulter(node: Node | None) -> Defaulter | None:
    """The function that defaults values of a schema in place; None where nothing below it has a default."""
    if node is None:
        return None
    fields = {name: made for name, child in node.properties.items() if (made := defaulter(child)) is not None}
    defaults = {name: child for name, child in node.properties.items() if child.default is not None}
    additional, items = defaulter(node.additional), defaulter(node.items)
    additional_null = node.additional if _replaces_null(node.additional) else None
    item_null = node.items if _replaces_null(node.items) else None
    if not (fields or defaults or additional or items or additional_null or item_null):
        return None
    return _defaulter(node, fields, defaults, (additional, additional_null), (items, item_null))


def _replaces_null(node: Node | None) -> bool:
    return node is not None and node.default is not None and not node.nullable


def _defaulter(
    node: Node,
    fields: dict[str, Defaulter],
    defaults: dict[str, Node],
    additional: tuple[Defaulter | None, Node | None],
    items: tuple[Defaulter | None, Node | None],
) -> Defaulter:
    known = node.properties.keys()
    walks_all = additional[0] is not None or additional[1] is not None

    def default(value: Any) -> None:
        if value.__class__ is dict:
            for name, child in defaults.items():
                if name not in value or (value[name] is None and not child.nullable):
                    value[name] = _copied(child.default)
            for name, below in fields.items():
                if name in value:
                    below(value[name])
            if walks_all:
                for name in value.keys() - known:
                    value[name] = _below(value[name], *additional)
        elif value.__class__ is list and items != (None, None):
            for index, item in enumerate(value):
                value[index] = _below(item, *items)

    return default


def _below(value: Any, default: Defaulter | None, instead_of_null: Node | None) -> Any:
    if value is None and instead_of_null is not None:
        value = _copied(instead_of_null.default)
    if default is not None:
        default(value)
    return value


def _copied(value: Any) -> Any:
    return copy.deepcopy(value) if value.__class__ in (dict, list) else value
