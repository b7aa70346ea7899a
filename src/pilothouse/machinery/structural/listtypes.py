"""Lists that are sets or maps hold nothing twice.

Upstream: apiextensions-apiserver pkg/apiserver/schema/listtype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pilothouse.machinery.problems import Problems
from pilothouse.machinery.structural.numbers import canonical
from pilothouse.machinery.structural.schema import Node

ABSENT = ("absent",)


def validate(value: Any, node: Node, problems: Problems) -> None:
    """Report repeated items of sets, and items with equal keys in maps."""
    if value.__class__ is list:
        if node.list_type == "set":
            for index in repeated(map(_key, value)):
                problems.at(index).duplicate(value[index])
        elif node.list_type == "map":
            _validate_map(value, node, problems)
        if node.items is not None and has_list_types(node.items):
            for index, item in enumerate(value):
                validate(item, node.items, problems.at(index))
    elif value.__class__ is dict:
        if node.additional is not None and has_list_types(node.additional):
            for name in sorted(value):
                validate(value[name], node.additional, problems.at(f"[{name}]"))
        for name in sorted(node.properties.keys() & value.keys()):
            validate(value[name], node.properties[name], problems.at(name))


def checker(node: Node) -> Callable[[Any], bool] | None:
    """A function, made once, that tells whether nothing is repeated: False means "not sure". None where no list below has a type."""
    if not has_list_types(node):
        return None
    fields = {name: made for name, child in node.properties.items() if (made := checker(child)) is not None}
    other = checker(node.additional) if node.additional is not None else None
    items = checker(node.items) if node.items is not None else None
    own = _unrepeated(node)

    def check(value: Any) -> bool:
        if value.__class__ is dict:
            if other is not None:
                return all(map(other, value.values())) and all(below(value[name]) for name, below in fields.items() if name in value)
            for name, below in fields.items():
                if name in value and not below(value[name]):
                    return False
        elif value.__class__ is list:
            return (own is None or own(value)) and (items is None or all(map(items, value)))
        return True

    return check


def _unrepeated(node: Node) -> Callable[[list[Any]], bool] | None:
    """Of sets of strings, and of maps whose keys are strings and there; other lists are looked at closer."""
    if node.list_type == "set":
        return _are_different
    if node.list_type != "map":
        return None
    names = node.list_keys
    if len(names) == 1:
        (name,) = names
        return lambda value: _are_different([item.get(name) if item.__class__ is dict else None for item in value])
    return lambda value: (
        all(item.__class__ is dict for item in value) and _are_different([repr([item.get(name) for name in names]) for item in value])
    )


def _are_different(values: list[Any]) -> bool:
    return all(value.__class__ is str for value in values) and len(set(values)) == len(values)


def repeated(keys: Iterable[Any]) -> list[int]:
    """The index of the second appearance of everything that appears more than once."""
    seen: dict[Any, int] = {}
    second: list[int] = []
    for index, key in enumerate(keys):
        times = seen[key] = seen.get(key, 0) + 1
        if times == 2:
            second.append(index)
    return second


def has_list_types(node: Node) -> bool:
    """Whether a list with a type is here or below."""
    return node.list_type in ("set", "map") or any(map(has_list_types, node.below()))


def _key(value: Any) -> Any:
    """What upstream compares: scalars by type and value, all else by its JSON, in which 1 and 1.0 look alike."""
    return canonical(value, by_json=value.__class__ in (dict, list))


def _validate_map(items: list[Any], node: Node, problems: Problems) -> None:
    for index, item in enumerate(items):
        if item is not None and item.__class__ is not dict:
            problems.at(index).invalid(item, "must be an object for an array of list-type map")
            return
    if len(items) < 2:
        return
    names = node.list_keys
    keyed = [{name: item[name] for name in names if name in item} if item is not None else {} for item in items]
    if len(names) == 1:
        keys: list[Any] = [_key(item[names[0]]) if item else ABSENT for item in keyed]
    else:
        keys = [_key(item) for item in keyed]
    for index in repeated(keys):
        problems.at(index).duplicate(keyed[index])
