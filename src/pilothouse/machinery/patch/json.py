"""JSON Patch (RFC 6902), as upstream's library does it (evanphx/json-patch v4), which clients have learned to rely on:

- A member of an object that is not there reads as null: it can be replaced, copied and tested for null, and only not removed.
- An index may be negative, from the end, and have a sign and leading zeros.
- The whole document can be tested and replaced (by what is no object or list it stays as it is), and nothing else; what stands before
  a path's first slash is overlooked.
- Numbers are the same when they are written the same: 1 is not 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pilothouse.machinery import codec, strconv, strict
from pilothouse.machinery.errors import bad_request, too_large
from pilothouse.machinery.patch import document
from pilothouse.machinery.quoting import go_quoted
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
        raise document.unprocessable()
    if len(operations) > OPERATIONS_LIMIT:
        raise too_large(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {OPERATIONS_LIMIT}, got {len(operations)}"
        )
    try:
        result = perform(current, operations)
    except PatchFailed as error:
        raise document.unprocessable() from error
    if not isinstance(result, dict):
        raise document.unprocessable()
    return result


class PatchFailed(Exception):
    """An operation does not apply. `str()` says why, in the words of upstream's library."""


class FailedTest(PatchFailed):
    """A `test` found another value."""


def perform(root: Any, operations: Iterable[Operation]) -> Any:
    """The document after the operations, done in order on itself; PatchFailed when one of them does not apply."""
    copied = 0
    for operation in operations:
        name = operation.get("op")
        do = OPERATIONS.get(name) if isinstance(name, str) else None
        if do is None:
            raise PatchFailed(f"Unexpected kind: {name if isinstance(name, str) else 'unknown'}")
        if do is _copy:
            copied += len(codec.encode(_copied(root, operation)))
        if copied > COPIED_BYTES_LIMIT:
            raise PatchFailed(
                f"Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the limit {COPIED_BYTES_LIMIT}"
            )
        root = do(root, operation)
    return root


def _add(root: Any, operation: Operation) -> Any:
    path = _text(operation, "path", "add")
    _put(
        *_place(root, path, 'add operation does not apply: doc is missing path: "{path}": missing value'),
        operation.get("value"),
        f"error in add for path: '{path}': ",
    )
    return root


def _remove(root: Any, operation: Operation) -> Any:
    path = _text(operation, "path", "remove")
    place = _place(root, path, 'remove operation does not apply: doc is missing path: "{path}": missing value')
    _take(*place, f"error in remove for path: '{path}': ")
    return root


def _replace(root: Any, operation: Operation) -> Any:
    path, value = _text(operation, "path", "replace"), operation.get("value")
    if path == "":
        if not isinstance(value, (dict, list)):
            raise PatchFailed("replace operation value must be object or array")
        return value
    container, key = _place(root, path, "replace operation does not apply: doc is missing path: {path}: missing value")
    if isinstance(container, dict):
        container[key] = value
    else:
        try:
            container[_index(key, len(container))] = value
        except PatchFailed as error:
            raise PatchFailed(f"replace operation does not apply: doc is missing key: {path}: missing value") from error
    return root


def _move(root: Any, operation: Operation) -> Any:
    container, key = _place(
        root, _text(operation, "from", "move"), "move operation does not apply: doc is missing from path: {path}: missing value"
    )
    value = _take(container, key, f"error in move for path: '{key}': ")
    path = _text(operation, "path", "move")
    place = _place(root, path, "move operation does not apply: doc is missing destination path: {path}: missing value")
    _put(*place, value, f"error in move for path: '{path}': ")
    return root


def _copy(root: Any, operation: Operation) -> Any:
    value = _copied(root, operation)
    path = _text(operation, "path", "copy")
    place = _place(root, path, "copy operation does not apply: doc is missing destination path: {path}: missing value")
    _put(*place, codec.clone(value), "error while adding value during copy: ")
    return root


def _copied(root: Any, operation: Operation) -> Any:
    path = _text(operation, "from", "copy")
    missing = "copy operation does not apply: doc is missing from path: {path}: missing value"
    return _found(root, path, missing, f"error in copy for from: '{path}': ")


def _test(root: Any, operation: Operation) -> Any:
    path = _text(operation, "path", "test")
    missing = "test operation does not apply: is missing path: {path}: missing value"
    actual = root if path == "" else _found(root, path, missing, f"error in test for path: '{path}': ")
    if not _same(actual, operation.get("value")):
        raise FailedTest(f"testing value {path} failed: test failed")
    return root


OPERATIONS: Mapping[str, Callable[[Any, Operation], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
FROM_MISSING = "operation, missing from field: missing value"


def _text(operation: Operation, member: str, name: str) -> str:
    text = operation.get(member)
    if isinstance(text, str):
        return text
    missing = "missing value" if name in ("add", "remove", "copy") else "operation missing path field: missing value"
    raise PatchFailed(f"{name} operation failed to decode {member}: {FROM_MISSING if member == 'from' else missing}")


def steps_of(pointer: str) -> list[str]:
    """The keys and indices of a JSON pointer."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def step_of(key: str) -> str:
    """A key as a step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def _place(root: Any, path: str, missing: str) -> tuple[Any, str]:
    """The object or list that a path leads to, and the last step in it."""
    way = steps_of(path)
    try:
        for step in way[:-1]:
            root = _member(root, step)
    except PatchFailed as error:
        raise PatchFailed(missing.format(path=path)) from error
    if not way or not isinstance(root, (dict, list)):
        raise PatchFailed(missing.format(path=path))
    return root, way[-1]


def _found(root: Any, path: str, missing: str, prefix: str) -> Any:
    """The value at a path; None for a member that an object has not."""
    container, key = _place(root, path, missing)
    try:
        return _member(container, key)
    except PatchFailed as error:
        raise PatchFailed(f"{prefix}{error}") from error


def _member(container: Any, key: str) -> Any:
    if isinstance(container, dict):
        return container.get(key)
    if isinstance(container, list):
        return container[_index(key, len(container))]
    raise PatchFailed("missing value")


def _index(key: str, length: int) -> int:
    number = strconv.integer(key) if INDEX.fullmatch(key) else None
    if number is None:
        raise PatchFailed(f"strconv.Atoi: parsing {go_quoted(key)}: invalid syntax")
    if not -length <= number < length:
        raise PatchFailed(f"Unable to access invalid index: {number}: invalid index referenced")
    return number % length


def _put(container: Any, key: str, value: Any, prefix: str) -> None:
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        try:
            container.insert(_index(key, len(container) + 1), value)
        except PatchFailed as error:
            atoi = f"value was not a proper array index: '{key}': " if str(error).startswith("strconv") else ""
            raise PatchFailed(f"{prefix}{atoi}{error}") from error


def _take(container: Any, key: str, prefix: str) -> Any:
    if isinstance(container, dict):
        if key not in container:
            raise PatchFailed(f"{prefix}Unable to remove nonexistent key: {key}: missing value")
        return container.pop(key)
    try:
        return container.pop(_index(key, len(container)))
    except PatchFailed as error:
        raise PatchFailed(f"{prefix}{error}") from error


def _same(left: Any, other: Any) -> bool:
    if type(left) is not type(other):
        return False
    if isinstance(left, dict):
        return left.keys() == other.keys() and all(_same(value, other[key]) for key, value in left.items())
    if isinstance(left, list):
        return len(left) == len(other) and all(map(_same, left, other))
    return bool(left == other)
