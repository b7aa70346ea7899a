"""Correlation of parts of old and new objects, for ratcheting validation (KEP-4008).

A field belongs to the field of that name; an item of a list only where the list is a map by keys, to the item with its keys.

Upstream: apiserver pkg/cel/common (CorrelatedObject, MapList).
"""

from __future__ import annotations

from typing import Any

from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.structural.numbers import deep_equal
from pilothouse.machinery.structural.schema import Node


class Correlation:
    """A value, the old value that it belongs to, and the schema of both."""

    __slots__ = ("_below", "_equal", "_keyed", "node", "old", "value")

    def __init__(self, value: Any, old: Any, node: Node) -> None:
        self.value, self.old, self.node = value, old, node
        self._below: dict[str | int, Correlation] = {}
        self._equal: bool | None = None
        self._keyed: dict[Any, Any] | None = None

    def field(self, name: str) -> Correlation | None:
        """The field's correlation; None where the old object has none, or the schema does not know the field."""
        if (known := self._below.get(name)) is not None:
            return known
        if self.value.__class__ is not dict or self.old.__class__ is not dict or name not in self.value or name not in self.old:
            return None
        schema = self.node.field(name)
        if schema is None:
            return None
        made = self._below[name] = Correlation(self.value[name], self.old[name], schema)
        return made

    def item(self, index: int) -> Correlation | None:
        """The item's correlation, in a list that is a map by keys."""
        if (known := self._below.get(index)) is not None:
            return known
        old = self._old_item(index)
        if old is None or self.node.items is None:
            return None
        made = self._below[index] = Correlation(self.value[index], old, self.node.items)
        return made

    def equal(self) -> bool:
        """Whether nothing changed; where lists are maps, their items may have changed places."""
        if self._equal is None:
            self._equal = self._compare()
        return self._equal

    def _compare(self) -> bool:
        kind = self.value.__class__
        if kind is not self.old.__class__:
            return False
        if kind is list:
            return len(self.value) == len(self.old) and self._equal_items()
        if kind is dict:
            if len(self.value) != len(self.old):
                return False
            fields = (self.field(name) for name in self.value)
            return all(field is not None and field.equal() for field in fields)
        return deep_equal(self.value, self.old)

    def _equal_items(self) -> bool:
        for index in range(len(self.value)):
            item = self.item(index)
            if item is None:
                return self._keyed is None and deep_equal(self.value, self.old)
            if not item.equal():
                return False
        return True

    def _old_item(self, index: int) -> Any:
        if self.old.__class__ is not list or self.value.__class__ is not list or self.node.list_type != "map":
            return None
        if self._keyed is None:
            self._keyed = {}
            for old in self.old:
                if (key := map_key(old, self.node.list_keys)) is not None:
                    self._keyed.setdefault(key, old)
        key = map_key(self.value[index], self.node.list_keys)
        return None if key is None else self._keyed.get(key)


def map_key(item: Any, keys: tuple[str, ...]) -> Any:
    """The key of an item of a list that is a map; None where it lacks one, or one is no scalar."""
    if item.__class__ is not dict:
        return None
    parts = []
    for name in keys:
        value = item.get(name)
        if value.__class__ not in (str, int, float, bool):
            return None
        parts.append((value.__class__.__name__, go_quoted(value) if value.__class__ is str and len(keys) > 1 else value))
    return tuple(parts)
