"""JSON Patch (RFC 6902), as upstream's library does it (evanphx/json-patch v4), which clients have learned to rely on:

- A member of an object that is not there reads as null: it can be replaced, copied and tested for null, and only not removed.
- An index may be negative, from the end, and have a sign and leading zeros.
- The whole document can be tested and replaced (by what is no object or list it stays as it is), and nothing else; what stands before
  a path's first slash is overlooked.
- Numbers are the same when they are written the same: 1 is not 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.machinery import codec, strconv, strict
from pilothouse.machinery.errors import bad_request, too_large
from pilothouse.machinery.patch import document
from pilothouse.machinery.shape import LIST, OPEN, STRING, STRUCT, Shape

OPERATIONS_LIMIT = 10_000
COPIED_BYTES_LIMIT = 3 << 20
"""Of all `copy` operations together, as upstream: each could double the document."""
TEXT = Shape(STRING, "string", checked=False)
OPERATION = Shape(STRUCT, "handlers.jsonPatchOp", "jsonPatchOp", {"op": TEXT, "from": TEXT, "path": TEXT, "value": OPEN})
OPERATION_LIST = Shape(LIST, "[]handlers.jsonPatchOp", item=OPERATION)
"""A JSON Patch, as upstream reads it to find what it does not know."""
INDEX = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
"""No list is longer than what nine digits count."""

Operation = dict[str, Any]


def apply(current: dict[str, Any], patch: bytes | list[Any], type: type[Any] = dict) -> dict[str, Any]:
    """A copy of `current` with the operations done in order; all or none."""
    return change(codec.clone(current), patch, type)


def change(current: dict[str, Any], patch: bytes | list[Any], type: type[Any] = dict) -> dict[str, Any]:
    """The same on `current` itself, which is spoilt when an operation fails."""
    operations = document.read(patch)
    if text := strict.type_error(operations, OPERATION_LIST):
        raise bad_request(f"error decoding patch: {text}")
    operations = operations or []
    if None in operations:
        raise document.rejected()
    if len(operations) > OPERATIONS_LIMIT:
        raise too_large(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {OPERATIONS_LIMIT}, got {len(operations)}"
        )
    result: Any = current
    copied = 0
    for one in operations:
        do = OPERATIONS.get(_text(one, "op"))
        if do is None:
            raise document.rejected()
        if do is _copy:
            copied += len(codec.encode(_read(result, _text(one, "from"))))
        if copied > COPIED_BYTES_LIMIT:
            raise document.rejected()
        result = do(result, one)
    if not isinstance(result, dict):
        raise document.rejected()
    return result


def _add(root: Any, operation: Operation) -> Any:
    _put(root, _text(operation, "path"), operation.get("value"))
    return root


def _remove(root: Any, operation: Operation) -> Any:
    _take(root, _text(operation, "path"))
    return root


def _replace(root: Any, operation: Operation) -> Any:
    path, value = _text(operation, "path"), operation.get("value")
    if path == "":
        return value if isinstance(value, (dict, list)) else root
    container, key = _place(root, path)
    container[key if isinstance(container, dict) else _index(key, len(container))] = value
    return root


def _move(root: Any, operation: Operation) -> Any:
    value = _take(root, _text(operation, "from"))
    _put(root, _text(operation, "path"), value)
    return root


def _copy(root: Any, operation: Operation) -> Any:
    _put(root, _text(operation, "path"), codec.clone(_read(root, _text(operation, "from"))))
    return root


def _test(root: Any, operation: Operation) -> Any:
    path = _text(operation, "path")
    found = root if path == "" else _read(root, path)
    if not _same(found, operation.get("value")):
        raise document.rejected()
    return root


OPERATIONS: Mapping[str, Callable[[Any, Operation], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _text(operation: Operation, member: str) -> str:
    found = operation.get(member)
    if not isinstance(found, str):
        raise document.rejected()
    return found


def _place(root: Any, path: str) -> tuple[Any, str]:
    """The object or list that a path leads to, and the last step in it."""
    way = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
    if not way:
        raise document.rejected()
    for step in way[:-1]:
        root = _member(root, step)
    if not isinstance(root, (dict, list)):
        raise document.rejected()
    return root, way[-1]


def _member(container: Any, key: str) -> Any:
    if isinstance(container, dict):
        return container.get(key)
    if isinstance(container, list):
        return container[_index(key, len(container))]
    raise document.rejected()


def _index(key: str, length: int) -> int:
    value = strconv.integer(key) if INDEX.fullmatch(key) else None
    number = length if value is None else value
    if not -length <= number < length:
        raise document.rejected()
    return number % length


def _read(root: Any, path: str) -> Any:
    return _member(*_place(root, path))


def _put(root: Any, path: str, value: Any) -> None:
    container, key = _place(root, path)
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(key, len(container) + 1), value)


def _take(root: Any, path: str) -> Any:
    container, key = _place(root, path)
    if isinstance(container, list):
        return container.pop(_index(key, len(container)))
    if key not in container:
        raise document.rejected()
    return container.pop(key)


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
