"""Strategic merge patch: lists merge by the keys that their types declare, with directives for what plain merging cannot say.

- `$patch: delete | replace` in a map or in an item of a merging list.
- `$deleteFromPrimitiveList/x` removes values, `$setElementOrder/x` orders, `$retainKeys` drops a union's other members.
- Items that the patch names keep the patch's order; items it does not name keep their place among those they stood with.
- What the object does not have is taken from the patch as it is, but for nulls and what has a `$patch`.
- Time is linear in the length of lists: they are looked up by key. Custom resources have no types and thus none of this: 415.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilothouse.machinery import codec, strict
from pilothouse.machinery.errors import StatusError, bad_request, failure, unsupported_media_type
from pilothouse.machinery.patch import document
from pilothouse.machinery.patch.ordering import identity, ordered
from pilothouse.machinery.shape import MAP, OPEN, STRUCT, Shape, shape_of

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
    if not issubclass(type, msgspec.Struct):
        raise unsupported_media_type(f"the body of the request was in an unknown format - accepted media types include: {MEDIA_TYPES}")
    wanted = document.read(patch)
    if wanted is None:
        wanted = {}
    if not isinstance(wanted, dict):
        raise bad_request(f"json: cannot unmarshal {strict.described(wanted)} into Go value of type map[string]interface {{}}")
    return _merge_map(current, wanted, shape_of(type))


def _failed(message: str) -> StatusError:
    """Upstream lets these through as bare errors: 500, without a reason."""
    return failure(500, "", message)


def _bad_type(expected: str, value: Any) -> StatusError:
    return _failed(f"expected a {expected}, but received a {document.go_type(value)}")


def _merge_map(original: Map, patch: Map, shape: Shape) -> Map:
    if DIRECTIVE in patch:
        directive = patch[DIRECTIVE]
        if directive == "replace":
            return {key: value for key, value in patch.items() if key != DIRECTIVE}
        if directive == "delete":
            return {}
        raise _unknown_directive(directive, patch)
    patch = dict(patch)
    _retain_keys(original, patch)
    _ordered_lists(original, patch, shape)
    for key in [name for name in patch if name.startswith(DELETE_FROM)]:  # first: what the patch adds as well stays
        _delete_values(original, key.removeprefix(DELETE_FROM), patch.pop(key), shape)
    for key, value in patch.items():
        _merge_field(original, key, value, shape)
    return original


def _unknown_directive(directive: Any, patch: Map) -> StatusError:
    return _failed(f"unknown patch type: {document.go_string_verb(directive)} in map: {document.go_text(patch)}")


def _retain_keys(original: Map, patch: Map) -> None:
    if RETAIN_KEYS not in patch:
        return
    kept = patch.pop(RETAIN_KEYS)
    named = [key for key, value in patch.items() if value is not None and not key.startswith((DELETE_FROM, SET_ORDER))]
    if not isinstance(kept, list) or not all(key in kept for key in named):
        raise bad_request("invalid patch format of retainKeys")
    for key in [name for name in original if name not in kept]:
        del original[key]


def _field_shape(shape: Shape, key: str) -> Shape:
    return shape.fields.get(key) or shape.item or OPEN


def _strategy(shape: Shape, key: str) -> tuple[str, str]:
    """Patch strategy (without retainKeys, which the patch itself says) and merge key of a field."""
    words, merge_key = strategy_of(shape, key)
    return next((word for word in words if word != "retainKeys"), ""), merge_key


def strategy_of(shape: Shape, key: str) -> tuple[tuple[str, ...], str]:
    """All patch strategies and the merge key of a field."""
    strategy, merge_key = shape.merges.get(key, ("", ""))
    return tuple(strategy.split(",")) if strategy else (), merge_key


def _merge_field(original: Map, key: str, value: Any, shape: Shape) -> None:
    if value is None:
        original.pop(key, None)
        return
    current: Any = original.get(key)
    if current.__class__ is not value.__class__ or not isinstance(value, (dict, list)):
        _take(original, key, value)
        return
    below = _field_shape(shape, key)
    strategy, merge_key = _strategy(shape, key)
    if isinstance(value, dict):
        original[key] = value if strategy == "replace" else _merge_map(current, value, below)
    else:
        original[key] = _merge_list(current, value, merge_key, below.item or OPEN) if strategy == "merge" else value


def _take(original: Map, key: str, value: Any) -> None:
    """Take a value of the patch as it is, but for nulls and directives in it."""
    taken = _without_directives(_without_nulls(value))
    if taken is DROPPED:
        original.pop(key, None)
    else:
        original[key] = taken


DROPPED = object()


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _without_directives(value: Any) -> Any:
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return DROPPED
        members = {key: _without_directives(member) for key, member in value.items()}
        return {key: member for key, member in members.items() if member is not DROPPED}
    if isinstance(value, list):
        return [item for item in map(_without_directives, value) if item is not DROPPED]
    return value


def _delete_values(original: Map, key: str, values: Any, shape: Shape) -> None:
    if values is None:
        original.pop(key, None)
    current = original.get(key)
    if not isinstance(current, list) or not isinstance(values, list) or not (current or values):
        return
    if isinstance(_element(current, values), dict):
        original[key] = _merge_list(current, values, _strategy(shape, key)[1], _field_shape(shape, key).item or OPEN)
    else:
        removed = set(map(identity, values))
        original[key] = [item for item in current if identity(item) not in removed]


def _ordered_lists(original: Map, patch: Map, shape: Shape) -> None:
    """Merge and order the lists that have a `$setElementOrder`; they leave `patch`."""
    for directive in [key for key in patch if key.startswith(SET_ORDER)]:
        order, key = patch.pop(directive), directive.removeprefix(SET_ORDER)
        for value in (order, original.get(key, []), patch.get(key, [])):
            if not isinstance(value, list):
                raise _bad_type("[]interface {}", value)
        if shape.kind == STRUCT and key not in shape.fields:
            raise _failed(f'unable to find api field in struct {shape.name} for the json field "{key}"')
        strategy, merge_key = _strategy(shape, key)
        before, added = original.get(key), patch.pop(key, None)
        _check_order(added or [], order, merge_key)
        if before is None and added is None:
            continue
        standing = list(before or [])
        if before is None:
            merged = _without_directives(added)
        elif added is None:
            merged = before
        else:
            item = _field_shape(shape, key).item or OPEN
            merged = _merge_list(before, added, merge_key, item) if strategy == "merge" else added
        _element(standing, added or [])
        original[key] = ordered(merged, order, standing, merge_key)


def _check_order(items: list[Any], order: list[Any], merge_key: str) -> None:
    """What the patch adds or changes must stand in the order that it asks for, as in upstream."""
    if not items or not order:
        return
    for item in items if merge_key else ():
        if not isinstance(item, dict):
            raise _bad_type("map[string]interface {}", item)
    wanted = iter(order)
    for item in items:
        if isinstance(item, dict) and DIRECTIVE in item:
            continue
        value = _key_of(item, merge_key) if merge_key else item
        if not any((_key_of(place, merge_key) if merge_key else place) == value for place in wanted):
            shown = f"{document.go_text(items)}\n doesn't match $setElementOrder list:\n{document.go_text(order)}"
            raise _failed(f"The order in patch list:\n{shown}\n")


def _element(*lists: list[Any]) -> Any:
    """The first item of some lists; all must be of one type, and none a list."""
    items = [item for values in lists for item in values]
    if not items:
        raise _failed("no elements in any of the given slices")
    if isinstance(items[0], list):
        raise document.unprocessable()  # lists of lists are not supported
    if any(item.__class__ is not items[0].__class__ for item in items):
        raise _failed(f"list element types are not identical: {document.go_text(list(lists))}")
    return items[0]


def _merge_list(original: list[Any], patch: list[Any], merge_key: str, item: Shape) -> list[Any]:
    if not original and not patch:
        return original
    if not isinstance(_element(original, patch), dict):
        merged = list({identity(value): value for value in [*original, *patch]}.values())
        return ordered(merged, patch, original, "")
    if not merge_key:
        raise _failed(f"cannot merge lists without merge key for {_go_kind(item)}")
    kept, wanted, is_replaced = _special_items(original, patch, merge_key)
    if is_replaced:
        return ordered(wanted, [], wanted, merge_key)
    standing = list(kept)
    place = {identity(element.get(merge_key)): index for index, element in reversed(list(enumerate(kept)))}
    last, is_in_order = -1, True
    for element in wanted:
        key = identity(_key_of(element, merge_key))
        index = place.setdefault(key, len(kept))
        if index < len(kept):
            kept[index] = _merge_map(kept[index], element, item)
        else:
            kept.append(element)
        is_in_order = is_in_order and last < index < len(standing)
        last = index
    return kept if is_in_order and len(place) == len(kept) else ordered(kept, wanted, standing, merge_key)


def _go_kind(shape: Shape) -> str:
    return {STRUCT: "struct", MAP: "map"}.get(shape.kind, shape.go)


def _special_items(original: list[Any], patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any], bool]:
    """Do what the items with `$patch` say: what stays of the original, the plain items of the patch, whether they replace all."""
    removed, wanted, is_replaced = set(), [], False
    for item in patch:
        if DIRECTIVE not in item:
            wanted.append(item)
            continue
        directive = item[DIRECTIVE]
        if directive == "delete":
            removed.add(identity(_key_of(item, merge_key)))
        elif directive == "replace":
            is_replaced = True
        elif directive == "merge":
            raise _failed("merging lists cannot yet be specified in the patch")
        else:
            raise _unknown_directive(directive, item)
    return [item for item in original if merge_key not in item or identity(item[merge_key]) not in removed], wanted, is_replaced


def _key_of(item: Any, merge_key: str) -> Any:
    if not isinstance(item, dict):
        raise _bad_type("map[string]interface {}", item)
    if merge_key not in item:
        raise _failed(f"map: {document.go_text(item)} does not contain declared merge key: {merge_key}")
    return item[merge_key]
