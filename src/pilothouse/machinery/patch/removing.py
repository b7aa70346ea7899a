"""Values without some of their fields, and sets of fields fitted to a schema (structured-merge-diff's RemoveItems and reconciliation)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pilothouse.machinery import fieldset
from pilothouse.machinery.fieldset import Fields, Path, Tree
from pilothouse.machinery.patch.schema import DEDUCED, Type
from pilothouse.machinery.patch.typed import form, item_element

SETS_REMEMBERED = 512


def remove_items(value: Any, paths: Fields, kind: Type) -> Any:
    """The value without the fields and items at `paths`; what that leaves empty becomes null. The argument is not changed."""
    return _remove(value, Tree(paths), kind) if paths else value


def _remove(value: Any, removed: Tree, kind: Type) -> Any:
    match form(kind, value):
        case "scalar":
            return value
        case "list":
            if not value or not isinstance(value, list) or not kind.is_associative:
                return None
            return _remove_from_list(value, removed, kind) or None
        case _:
            if not value or not isinstance(value, dict) or kind.is_atomic:
                return None
            return _remove_from_map(value, removed, kind) or None


def _remove_from_list(items: list[Any], removed: Tree, kind: Type) -> list[Any]:
    assert kind.items is not None
    kept = []
    for item in items:
        element = item_element(kind, item)
        if element not in removed.members:
            below = removed.children.get(element)
            kept.append(item if below is None else _remove(item, below, kind.items))
    return kept


def _remove_from_map(members: dict[str, Any], removed: Tree, kind: Type) -> dict[str, Any]:
    kept = {}
    for name, value in members.items():
        element = f"f:{name}"
        if element not in removed.members:
            below, known = removed.children.get(element), kind.fields.get(name) or kind.values
            kept[name] = value if below is None or known is None else _remove(value, below, known)
    return kept


def with_named_fields(paths: Fields, kind: Type) -> Fields:
    """The set with every declared field that leads to one of its paths: whoever owns `a.b.c` then owns `a` and `a.b`, too,
    where those are fields of structs and not keys of maps."""
    named = set(paths)
    seen: dict[Path, Type | None] = {(): kind}
    for path in paths:
        for length in range(1, len(path)):
            prefix = path[:length]
            if prefix in seen:
                continue
            above, element = seen[prefix[:-1]], prefix[-1]
            seen[prefix] = above.child(element) if above is not None else None
            if above is not None and element[0] == "f" and element[2:] in above.fields:
                named.add(prefix)
    return frozenset(named)


@lru_cache(maxsize=SETS_REMEMBERED)
def reconciled(paths: Fields, kind: Type) -> Fields:
    """A set that was recorded when parts of the type that are atomic now were granular: whoever owned something in them owns them."""
    atomics: set[Path] = set()
    _find_atomics(Tree(paths), kind, (), False, atomics)
    return fieldset.without(paths, atomics) | atomics if atomics else paths


def _find_atomics(node: Tree, kind: Type, path: Path, is_member: bool, atomics: set[Path]) -> None:
    has_children = bool(node.members or node.children)
    is_leaf = is_member and not has_children
    if kind.is_map:
        if kind.values is DEDUCED and not kind.fields:
            return
        if kind.is_atomic and not is_leaf:
            if has_children:
                atomics.add(path)
            return
    elif kind.scalar:
        return
    elif not kind.is_associative and not is_leaf:
        atomics.add(path)
        return
    nothing = Tree()
    for element in node.members | node.children.keys():
        below = kind.child(element) if kind.is_map else kind.items
        if below is not None:
            _find_atomics(node.children.get(element, nothing), below, (*path, element), element in node.members, atomics)
