"""Strategic merge patch: lists merge by the keys that their types declare, with directives for what plain merging cannot say.

- `$patch: delete | replace | merge` in a map or in an item of a merging list.
- `$deleteFromPrimitiveList/x` removes values, `$setElementOrder/x` orders, `$retainKeys` drops a union's other members.
- Items that the patch names keep the patch's order; items it does not name keep their place among those they stood with.
- Custom resources have no types and thus none of this: 415.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError, bad_request, failure, unsupported_media_type
from pilothouse.machinery.patch import document
from pilothouse.machinery.shape import OPEN, Shape, shape_of

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList/"
SET_ORDER = "$setElementOrder/"
MEDIA_TYPES = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"

Map = dict[str, Any]


def apply(current: Map, patch: bytes | Map, type: type[Any]) -> Map:
    """A copy of `current` (the dict of an object of `type`) with `patch` merged in."""
    return change(codec.clone(current), patch, type)


def change(current: Map, patch: bytes | Map, type: type[Any]) -> Map:
    """`current` itself with `patch` merged in; spoilt when the patch is wrong."""
    if type is dict:
        raise unsupported_media_type(f"the body of the request was in an unknown format - accepted media types include: {MEDIA_TYPES}")
    wanted = document.read(patch)
    if not isinstance(wanted, dict):
        raise bad_request("The given JSON document is invalid; it must be an object")
    return _merge_map(current, wanted, shape_of(type))


def _failed(message: str) -> StatusError:
    """Upstream lets these through as bare errors: 500, without a reason."""
    return failure(500, "", message)


def _merge_map(original: Map, patch: Map, shape: Shape) -> Map:
    if DIRECTIVE in patch:
        directive = patch[DIRECTIVE]
        rest = {key: value for key, value in patch.items() if key != DIRECTIVE}
        if directive == "replace":
            return rest
        if directive == "delete":
            return {}
        if directive != "merge":
            raise _failed(f"unknown patch type: {document.go_text(directive)} in map: {document.go_text(patch)}")
        patch = rest
    patch = dict(patch)
    _retain_keys(original, patch)
    _ordered_lists(original, patch, shape)
    for key in [one for one in patch if one.startswith(DELETE_FROM)]:  # first: what the patch adds as well stays
        _delete_values(original, key.removeprefix(DELETE_FROM), patch.pop(key))
    for key, value in patch.items():
        _merge_field(original, key, value, shape)
    return original


def _retain_keys(original: Map, patch: Map) -> None:
    kept = patch.pop(RETAIN_KEYS, None)
    if kept is None:
        return
    named = [key for key, value in patch.items() if value is not None and not key.startswith("$")]
    if not isinstance(kept, list):
        raise bad_request("invalid patch format of retainKeys")
    if not all(one in kept for one in named):
        raise document.rejected()
    for key in [one for one in original if one not in kept]:
        del original[key]


def _field_shape(shape: Shape, key: str) -> Shape:
    return shape.fields.get(key) or shape.item or OPEN


def _strategy(shape: Shape, key: str) -> tuple[str, str]:
    """Patch strategy (without retainKeys, which the patch itself says) and merge key of a field."""
    strategy, merge_key = shape.merges.get(key, ("", ""))
    found = next((one for one in strategy.split(",") if one != "retainKeys"), "")
    return found, merge_key


def strategy_of(shape: Shape, key: str) -> tuple[tuple[str, ...], str]:
    """All patch strategies and the merge key of a field."""
    strategy, merge_key = shape.merges.get(key, ("", ""))
    return tuple(strategy.split(",")), merge_key


def _merge_field(original: Map, key: str, value: Any, shape: Shape) -> None:
    if value is None:
        original.pop(key, None)
        return
    below = _field_shape(shape, key)
    strategy, merge_key = _strategy(shape, key)
    current = original.get(key)
    if isinstance(value, dict):
        kept = current if isinstance(current, dict) and strategy != "replace" else {}
        original[key] = _merge_map(kept, value, below)
    elif isinstance(value, list) and strategy == "merge":
        original[key] = _merge_list(current if isinstance(current, list) else [], value, merge_key, below.item or OPEN)
    else:
        original[key] = value


def _ordered_lists(original: Map, patch: Map, shape: Shape) -> None:
    """Merge and order the lists that have a `$setElementOrder`; their entries leave `patch`."""
    for directive in [key for key in patch if key.startswith(SET_ORDER)]:
        order = patch.pop(directive)
        key = directive.removeprefix(SET_ORDER)
        removed = patch.pop(DELETE_FROM + key, None)
        if not isinstance(order, list):
            raise bad_request("invalid patch format of setElementOrder list")
        if patch.get(key, ()) is None:
            continue  # null: the whole list goes
        strategy, merge_key = _strategy(shape, key)
        _check_order(patch.get(key), _ordering(order, merge_key), merge_key)
        before = list(original.get(key) or [])
        if removed is not None:
            _delete_values(original, key, removed)
        if key in patch:
            _merge_field(original, key, patch.pop(key), shape)
        if strategy == "merge" and isinstance(original.get(key), list):
            original[key] = _in_order(original[key], order, before, merge_key)


def _ordering(order: list[Any], merge_key: str) -> list[Any]:
    for one in order if merge_key else ():
        if not isinstance(one, dict) or merge_key not in one:
            raise _failed(f"map: {document.go_text(one)} does not contain declared merge key: {merge_key}")
    return order


def _check_order(items: Any, order: list[Any], merge_key: str) -> None:
    """What the patch adds or changes must stand in the order that it asks for, as in upstream."""
    if not isinstance(items, list) or not items or not order:
        return
    if merge_key:
        kept = [one.get(merge_key) for one in items if isinstance(one, dict) and DIRECTIVE not in one]
    else:
        kept = items
    wanted = iter([one[merge_key] for one in order] if merge_key else order)
    if not all(one in wanted for one in kept):
        shown = f"{document.go_text(items)}\n doesn't match $setElementOrder list:\n{document.go_text(order)}"
        raise _failed(f"The order in patch list:\n{shown}\n")


def _delete_values(original: Map, key: str, values: Any) -> None:
    if not isinstance(values, list):
        raise bad_request("invalid patch format of primitive list")
    current = original.get(key)
    if isinstance(current, list):
        original[key] = [one for one in current if one not in values]


def _merge_list(original: list[Any], patch: list[Any], merge_key: str, item: Shape) -> list[Any]:
    if any(isinstance(one, list) for one in (*original, *patch)):
        raise document.rejected()  # lists of lists are not supported
    if not any(isinstance(one, dict) for one in (*original, *patch)):
        merged = list(dict.fromkeys([*original, *patch]))
        return _in_order(merged, patch, original, "")
    if not merge_key:
        raise _failed(f"cannot merge lists without merge key for type {item.go}")
    kept, wanted, replaced = _special_items(original, patch, merge_key)
    if replaced:
        return wanted
    merged_items = [dict(one) for one in kept]
    for one in wanted:
        _merge_item(merged_items, one, merge_key, item)
    return _in_order(merged_items, wanted, original, merge_key)


def _special_items(original: list[Any], patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any], bool]:
    """Do what the items with `$patch` say: what stays of the original, the plain items of the patch, whether they replace all."""
    kept, wanted, replaced = original, [], False
    for one in patch:
        if not isinstance(one, dict):
            raise _failed(f"expected a map in a list of maps, found {document.go_text(one)}")
        directive = one.get(DIRECTIVE)
        if directive is None:
            wanted.append(one)
        elif directive == "delete":
            key = _key_of(one, merge_key)
            kept = [item for item in kept if item.get(merge_key) != key]
        elif directive == "replace":
            replaced = True
        elif directive == "merge":
            raise _failed("merging list cannot yet be specified in the patch")
        else:
            raise _failed(f"unknown patch type: {document.go_text(directive)} in map: {document.go_text(one)}")
    return kept, wanted, replaced


def _key_of(one: Map, merge_key: str) -> Any:
    if merge_key not in one:
        raise _failed(f"map: {document.go_text(one)} does not contain declared merge key: {merge_key}")
    return one[merge_key]


def _merge_item(items: list[Any], wanted: Map, merge_key: str, shape: Shape) -> None:
    key = _key_of(wanted, merge_key)
    for index, one in enumerate(items):
        if one.get(merge_key) == key:
            items[index] = _merge_map(one, wanted, shape)
            return
    items.append(_merge_map({}, wanted, shape))


def _in_order(merged: list[Any], order: list[Any], before: list[Any], merge_key: str) -> list[Any]:
    """`merged` with the items of `order` in that order, among them the others where they stood in `before`."""

    def identity(one: Any) -> Any:
        found = one.get(merge_key) if merge_key and isinstance(one, dict) else one
        return document.go_text(found) if isinstance(found, (dict, list)) else found

    place = {identity(one): index for index, one in reversed(list(enumerate(order)))}
    stood = {identity(one): index for index, one in reversed(list(enumerate(before)))}
    named = sorted((one for one in merged if identity(one) in place), key=lambda one: place[identity(one)])
    others = sorted((one for one in merged if identity(one) not in place), key=lambda one: stood.get(identity(one), len(before)))
    return _interleaved(others, named, stood, identity)


def _interleaved(left: list[Any], right: list[Any], stood: dict[Any, int], identity: Callable[[Any], Any]) -> list[Any]:
    """Merge two sorted lists: one of `left` comes first only where both stood in the original, and it in front."""
    result: list[Any] = []
    i = j = 0
    while i < len(left) and j < len(right):
        before, after = stood.get(identity(left[i])), stood.get(identity(right[j]))
        if before is not None and after is not None and before < after:
            result.append(left[i])
            i += 1
        else:
            result.append(right[j])
            j += 1
    return [*result, *left[i:], *right[j:]]
