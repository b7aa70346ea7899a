"""JSON merge patch (RFC 7386): maps merge, null removes, everything else replaces."""

from __future__ import annotations

from typing import Any

from pilothouse.machinery import codec, strict
from pilothouse.machinery.errors import bad_request
from pilothouse.machinery.patch import document


def apply(current: dict[str, Any], patch: bytes | dict[str, Any], type: type[Any] = dict) -> dict[str, Any]:
    """A copy of `current` with the patch merged in."""
    return change(codec.clone(current), patch, type)


def change(current: dict[str, Any], patch: bytes | dict[str, Any], type: type[Any] = dict) -> dict[str, Any]:
    """`current` itself with the patch merged in."""
    wanted = document.read(patch)
    if not isinstance(wanted, dict):
        if wanted is None:
            raise bad_request("Invalid JSON Patch")
        shown = strict.described(wanted)
        raise bad_request(f"error decoding patch: json: cannot unmarshal {shown} into Go value of type map[string]interface {{}}")
    merge(current, wanted)
    return current


def merge(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """Change `target` in place."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            below = target.get(key)
            if not isinstance(below, dict):
                below = target[key] = {}
            merge(below, value)
        else:
            made = in_order(value)
            target[key] = made if isinstance(target.get(key), dict) else without_nulls(made)


def without_nulls(value: Any) -> Any:
    """A list without nulls in its maps, in place: as the library that upstream uses does (evanphx/json-patch v4), except where the list
    replaces a map."""
    if isinstance(value, list):
        for item in value:
            without_nulls(item)
    elif isinstance(value, dict):
        for key in [key for key, member in value.items() if member is None]:
            del value[key]
        for member in value.values():
            without_nulls(member)
    return value


def in_order(value: Any) -> Any:
    """A list that replaces another, with the keys of its maps sorted, as upstream's messages show them."""
    if isinstance(value, list):
        return [in_order(item) for item in value]
    return {key: in_order(value[key]) for key in sorted(value)} if isinstance(value, dict) else value
