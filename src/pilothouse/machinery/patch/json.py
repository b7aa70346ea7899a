"""JSON Patch (RFC 6902)."""

from __future__ import annotations

from typing import Any

from pilothouse.machinery import codec
from pilothouse.machinery.errors import bad_request, too_large
from pilothouse.machinery.patch import document

OPERATIONS_LIMIT = 10_000
COPIED_BYTES_LIMIT = 3 << 20
"""Of all `copy` operations together, as upstream: each could double the document."""
OPERATIONS = frozenset({"add", "remove", "replace", "move", "copy", "test"})


def apply(current: dict[str, Any], patch: bytes | list[Any], type: type[Any] = dict) -> dict[str, Any]:
    """`current` with the operations done in order; all or none."""
    operations = document.read(patch)
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > OPERATIONS_LIMIT:
        raise too_large(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {OPERATIONS_LIMIT}, got {len(operations)}"
        )
    return _apply(current, operations)


def _apply(current: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    import jsonpatch  # 20 ms of import that most processes never need

    refusals = (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError, AttributeError, AssertionError)
    result = codec.clone(current)
    copied = 0
    for one in operations:
        if one.get("op") not in OPERATIONS:
            raise document.rejected()
        try:
            if one["op"] == "copy":
                copied += len(codec.encode(jsonpatch.JsonPointer(one["from"]).resolve(result)))
                if copied > COPIED_BYTES_LIMIT:
                    raise document.rejected()
            result = jsonpatch.JsonPatch([one]).apply(result, in_place=True)
        except refusals as error:
            raise document.rejected() from error
    if not isinstance(result, dict):
        raise document.rejected()
    return result
