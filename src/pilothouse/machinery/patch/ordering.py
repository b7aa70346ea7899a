"""The order of a list after a strategic merge, in linear time but for sorting."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pilothouse.machinery.errors import failure
from pilothouse.machinery.patch import document


def identity(value: Any) -> Any:
    """A value by which equal ones are found: numbers, texts and booleans of different types are different, as in Go."""
    if value.__class__ is str:
        return value
    return (value.__class__, document.go_text(value) if isinstance(value, (dict, list)) else value)


def ordered(merged: list[Any], order: list[Any], standing: list[Any], merge_key: str) -> list[Any]:
    """`merged` with the items of `order` in that order, among them the others where they stood in `standing`.

    Items are maps with `merge_key`, or scalars when that is "".
    """
    place, stood = _places(order, merge_key), _places(standing, merge_key)
    keys = [_key(item, merge_key) for item in merged]
    named = sorted((place[key], index) for index, key in enumerate(keys) if key in place)
    others = sorted((stood.get(key, len(standing)), index) for index, key in enumerate(keys) if key not in place)
    return [merged[index] for index in _interleaved([index for _, index in others], [index for _, index in named], keys, stood)]


def _places(items: Iterable[Any], merge_key: str) -> dict[Any, int]:
    """Where each key stands first."""
    places: dict[Any, int] = {}
    for index, item in enumerate(items):
        if merge_key and not isinstance(item, dict):
            raise failure(500, "", f"value for key {index} is not a map")
        places.setdefault(_key(item, merge_key), index)
    return places


def _key(item: Any, merge_key: str) -> Any:
    if not merge_key:
        return identity(item)
    if merge_key not in item:
        raise failure(500, "", f"map: {document.go_text(item)} does not contain declared merge key: {merge_key}")
    return identity(item[merge_key])


def _interleaved(left: list[int], right: list[int], keys: list[Any], stood: dict[Any, int]) -> list[int]:
    """Merge two sorted lists: one of `left` comes first only where both stood in the original, and it in front."""
    result: list[int] = []
    i = j = 0
    while i < len(left) and j < len(right):
        before, after = stood.get(keys[left[i]]), stood.get(keys[right[j]])
        if before is not None and after is not None and before < after:
            result.append(left[i])
            i += 1
        else:
            result.append(right[j])
            j += 1
    return [*result, *left[i:], *right[j:]]
