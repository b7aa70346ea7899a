"""Comparison of two typed values: paths that were added, modified and removed (structured-merge-diff's Compare).

- Atomic lists and maps are one path. Of a list that merges, items are compared by their keys: order is no change.
- Whether a map or struct is equal is told by `==`, which takes true for 1: only values that have no type of their own can tell.
- A field that appears is itself added, and all below it; one that disappears is removed with all below it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pilothouse.machinery.fieldset import Fields, Path
from pilothouse.machinery.patch.schema import UNTYPED, Type
from pilothouse.machinery.patch.typed import ABSENT, form, is_empty, item_element, json_equal


class Comparison(NamedTuple):
    """No path is in more than one of the three sets."""

    added: Fields
    modified: Fields
    removed: Fields

    @property
    def touched(self) -> Fields:
        """Paths that were added or modified: what a writer owns after the write."""
        return self.added | self.modified

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.modified or self.added or self.removed)


def compare(old: Any, new: Any, kind: Type) -> Comparison:
    """The difference of two values that fit `kind`."""
    walk = Walk()
    walk.value(old, new, kind, ())
    return Comparison(frozenset(walk.added), frozenset(walk.modified), frozenset(walk.removed))


@dataclass(slots=True)
class Walk:
    """A walk through two values, and the paths that it has found to differ."""

    added: list[Path] = field(default_factory=list)
    modified: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)

    def value(self, old: Any, new: Any, kind: Type, path: Path) -> None:
        """Compare two values; ABSENT for one that is not there."""
        if old is ABSENT:
            self._all(new, kind, path, self.added)
            return
        if old == new and (kind.scalar != UNTYPED or json_equal(old, new)):
            return
        is_leaf = self._form(kind.form, old, new, kind, path) if kind.form else self._forms(old, new, kind, path)
        if new is ABSENT and path and not is_leaf:
            self.removed.append(path)

    def _all(self, value: Any, kind: Type, path: Path, paths: list[Path]) -> None:
        """All paths of a value that was not there before."""
        if value and isinstance(value, dict) and kind.is_map and not kind.is_atomic:
            fields, values = kind.fields, kind.values
            for name, member in value.items():
                below = fields.get(name) or values
                if below is not None:
                    if below.form == "scalar":
                        paths.append((*path, f"f:{name}"))
                    else:
                        self._all(member, below, (*path, f"f:{name}"), paths)
        elif value and isinstance(value, list) and kind.items is not None and kind.is_associative:
            before = len(paths)
            seen: set[str] = set()
            for item in value:
                element = item_element(kind, item)
                if element in seen:  # duplicates are owned as a whole
                    del paths[before:]
                    self._items([], value, kind, path)
                    break
                seen.add(element)
                self._all(item, kind.items, (*path, element), paths)
        if path:
            paths.append(path)

    def _forms(self, old: Any, new: Any, kind: Type, path: Path) -> bool:
        """Compare two values of a type that has several forms, in each form that one of them takes."""
        forms = {form(kind, value) for value in (old, new) if value is not ABSENT}
        if len(forms) > 1 and (old is None or new is None):
            forms = {form(kind, new if old is None else old)}
        leaves = [self._form(one_form, old, new, kind, path) for one_form in sorted(forms)]
        return any(leaves)

    def _form(self, chosen: str, old: Any, new: Any, kind: Type, path: Path) -> bool:
        """Compare two values in one form; whether they are a leaf."""
        is_atomic = chosen == "scalar" or (kind.is_atomic if chosen == "map" else not kind.is_associative)
        if is_atomic or (is_empty(old) and is_empty(new)):
            self._leaf(old, new, path)
            return True
        if chosen == "map":
            self._members(old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {}, kind, path)
        else:
            self._items(old if isinstance(old, list) else [], new if isinstance(new, list) else [], kind, path)
        return False

    def _leaf(self, old: Any, new: Any, path: Path) -> None:
        if old is ABSENT:
            self.added.append(path)
        elif new is ABSENT:
            self.removed.append(path)
        elif old != new or not json_equal(old, new):
            self.modified.append(path)

    def _members(self, old: dict[str, Any], new: dict[str, Any], kind: Type, path: Path) -> None:
        fields, values = kind.fields, kind.values
        for name, value in old.items():
            other = new.get(name, ABSENT)
            below = fields.get(name) or values
            if below is not None and not (other == value and below.form):
                self.value(value, other, below, (*path, f"f:{name}"))
        for name, value in new.items():
            if name not in old:
                below = fields.get(name) or values
                if below is not None:
                    self.value(ABSENT, value, below, (*path, f"f:{name}"))

    def _items(self, old: list[Any], new: list[Any], kind: Type, path: Path) -> None:
        assert kind.items is not None
        before, after = _by_element(old, kind), _by_element(new, kind)
        for element in before | after:
            olds, news = before.get(element, []), after.get(element, [])
            below = (*path, element)
            if len(olds) <= 1 and len(news) <= 1:
                self.value(olds[0] if olds else ABSENT, news[0] if news else ABSENT, kind.items, below)
            elif len(olds) > 1 and len(news) > 1:  # duplicates are owned as a whole
                if not json_equal(olds, news):
                    self.modified.append(below)
            elif len(olds) > 1:
                if news:
                    self.value(ABSENT, news[0], kind.items, below)
                self.removed.append(below)
            else:
                if olds:
                    self.value(olds[0], ABSENT, kind.items, below)
                self.added.append(below)


def _by_element(items: list[Any], kind: Type) -> dict[str, list[Any]]:
    by_element: dict[str, list[Any]] = {}
    for item in items:
        by_element.setdefault(item_element(kind, item), []).append(item)
    return by_element
