"""The strategic merge patch of client-side apply, from three objects: last applied, wanted now, and live.

- What the last applied object had and the wanted one has not is removed; what the wanted one says is set where the live one differs;
  everything else of the live object is left to whoever wrote it.
- Lists merge by the keys that their types declare: items are matched by key, removed by `$patch: delete`, ordered by `$setElementOrder`.
- Without a type (custom resources) the result is a JSON merge patch: lists are replaced.

Upstream: strategicpatch.CreateThreeWayMergePatch, jsonmergepatch.CreateThreeWayJSONMergePatch.
"""

from __future__ import annotations

from typing import Any

from pilothouse.machinery.patch.strategic import DELETE_FROM, DIRECTIVE, RETAIN_KEYS, SET_ORDER, strategy_of
from pilothouse.machinery.shape import OPEN, Shape, shape_of

Map = dict[str, Any]
REPLACE, MERGE, RETAIN = "replace", "merge", "retainKeys"


def create(original: Map, modified: Map, current: Map, type: type[Any]) -> Map:
    """The patch; empty when nothing is to change."""
    return _of_map(original, modified, current, shape_of(type))


def _of_map(original: Map, modified: Map, current: Map, shape: Shape) -> Map:
    patch: Map = {key: None for key in original if key not in modified and current.get(key) is not None}
    for key, value in modified.items():
        _of_field(patch, key, value, original.get(key), current.get(key), shape)
    return patch


def _of_field(patch: Map, key: str, value: Any, before: Any, now: Any, shape: Shape) -> None:
    """Put into `patch` what brings the field from `now` to `value`."""
    below = shape.fields.get(key) or shape.item or OPEN
    strategies, merge_key = strategy_of(shape, key)
    if isinstance(value, dict) and isinstance(now, dict):
        change = {DIRECTIVE: REPLACE, **value} if REPLACE in strategies else _of_map(_map(before), value, now, below)
        if change and not (REPLACE in strategies and value == now):
            patch[key] = _retaining(change, value, strategies)
    elif isinstance(value, list) and isinstance(now, list) and MERGE in strategies:
        before = before if isinstance(before, list) else []
        if merge_key:
            _of_items(patch, key, value, before, now, merge_key, below.item or OPEN, strategies)
        else:
            _of_values(patch, key, value, before, now)
    elif value != now:
        patch[key] = value


def _retaining(change: Map, value: Map, strategies: tuple[str, ...]) -> Map:
    """A union: the members that `value` does not name go."""
    return {**change, RETAIN_KEYS: sorted(value)} if RETAIN in strategies else change


def _of_values(patch: Map, key: str, value: list[Any], before: list[Any], now: list[Any]) -> None:
    added = [item for item in value if item not in now]
    removed = [item for item in before if item not in value and item in now]
    if added:
        patch[key] = added
    if removed:
        patch[DELETE_FROM + key] = removed
    if added or removed:
        patch[SET_ORDER + key] = value


def _of_items(
    patch: Map, key: str, value: list[Any], before: list[Any], now: list[Any], merge_key: str, shape: Shape, strategies: tuple[str, ...]
) -> None:
    live, last = _by_key(now, merge_key), _by_key(before, merge_key)
    wanted = [item for item in value if isinstance(item, dict)]
    changes: list[Map] = []
    for item in wanted:
        name = item.get(merge_key)
        if name not in live:
            changes.append(item)
        elif change := _of_map(last.get(name, {}), item, live[name], shape):
            changes.append({merge_key: name, **_retaining(change, item, strategies)})
    names = [item.get(merge_key) for item in wanted]
    changes += [{DIRECTIVE: "delete", merge_key: name} for name in last if name in live and name not in names]
    moved = [name for name in names if name in live] != [name for name in live if name in names]
    if changes:
        patch[key] = changes
    if changes or moved:
        patch[SET_ORDER + key] = [{merge_key: name} for name in names]


def _by_key(items: list[Any], merge_key: str) -> dict[Any, Map]:
    return {item[merge_key]: item for item in items if isinstance(item, dict) and merge_key in item}


def _map(value: Any) -> Map:
    return value if isinstance(value, dict) else {}
