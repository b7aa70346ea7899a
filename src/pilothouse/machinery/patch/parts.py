"""Patches that say something of few top-level fields, as nearly all do: only those become dicts and objects again, all else is cloned.

The outcome is that of patching the whole object. Where a patch cannot be judged by its parts, or turns out to be wrong, the whole is taken:
messages show it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import orjson

from pilothouse import API_LEVEL
from pilothouse.machinery import codec, rawextension
from pilothouse.machinery.codec import Decoded
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry
from pilothouse.machinery.patch import json, merge, outcome, strategic
from pilothouse.machinery.patch.manager import CLEARED
from pilothouse.machinery.patch.outcome import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from pilothouse.machinery.shape import shape_of

Map = dict[str, Any]
Change = Callable[[Map, Any, type[Any]], Map]
CHANGES: dict[str, Change] = {JSON_PATCH: json.change, MERGE_PATCH: merge.change, STRATEGIC_MERGE_PATCH: strategic.change}
ALWAYS = frozenset({"apiVersion", "kind", "metadata"})
RECORD = b"managedFields"


def apply_patch(
    seen: Any, body: bytes, patch_type: str, strictness: str, level: str = API_LEVEL, taken: frozenset[str] | None = None
) -> Decoded:
    """The object that a patch makes of `seen`, which is not changed; StatusError when the patch is wrong.

    `taken` are the top-level fields that the caller looks at (None: all): others may be blank. A patch that says nothing of managedFields
    leaves them; one that makes them an empty list clears them (CLEARED).
    """
    is_open = not isinstance(seen, msgspec.Struct) or RECORD in body or b"\\u" in body or level != API_LEVEL
    names = None if is_open else _names(body, patch_type)
    if names is None:
        return _patched_with_record(seen, body, patch_type, strictness, level)
    try:
        return _patched(seen, body, patch_type, strictness, _parts(seen, names) or frozenset(type(seen).__struct_fields__), taken)
    except StatusError:  # messages show the whole object
        return _patched_with_record(seen, body, patch_type, strictness, level)


def _outcome(current: Map, body: bytes, patch_type: str, kind: type[Any], strictness: str) -> Decoded:
    return outcome.object_of(CHANGES[patch_type](current, body, kind), body, patch_type, kind, strictness)


def _patched_with_record(seen: Any, body: bytes, patch_type: str, strictness: str, level: str) -> Decoded:
    """Patch all of an object, its record too."""
    after = CHANGES[patch_type](codec.to_dict(seen), body, type(seen))
    decoded = outcome.object_of(after, body, patch_type, type(seen), strictness, level)
    _keep_raw(decoded.object, seen, patch_type)
    metadata = after.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") == []:
        decoded.object.metadata.managedFields = [CLEARED]
    return decoded


def _patched(seen: Any, body: bytes, patch_type: str, strictness: str, parts: frozenset[str], taken: frozenset[str] | None) -> Decoded:
    """Patch some top-level fields of an object, or all, but not its record; of the others, those that are taken are copied."""
    entries: list[ManagedFieldsEntry] = seen.metadata.managedFields
    bare = msgspec.structs.replace(seen.metadata, managedFields=[])
    names = type(seen).__struct_fields__
    if len(parts) == len(names):
        shown: Any = msgspec.structs.replace(seen, metadata=bare)
    else:
        shown = {name: bare if name == "metadata" else getattr(seen, name) for name in names if name in parts}
    decoded = _outcome(codec.to_dict(shown), body, patch_type, type(seen), strictness)
    _keep_raw(decoded.object, seen, patch_type)
    decoded.object.metadata.managedFields = entries
    for name in names:
        if name not in parts and (taken is None or name in taken):
            setattr(decoded.object, name, _clone(getattr(seen, name)))
    return decoded


def _keep_raw(made: Any, seen: Any, patch_type: str) -> None:
    """Strategic merge patches write all JSON of any kind anew, keys sorted; others leave what they do not change."""
    if patch_type != STRATEGIC_MERGE_PATCH and isinstance(seen, msgspec.Struct):
        rawextension.copy_original_text(made, seen, shape_of(type(seen)))


def _clone(value: Any) -> Any:
    return codec.clone(value) if isinstance(value, msgspec.Struct) else value


def _names(body: bytes, patch_type: str) -> set[str] | None:
    """The top-level fields that a patch says something of; None when they cannot be told."""
    try:
        patch = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if patch_type == JSON_PATCH:
        return _of_operations(patch)
    return set(patch) if isinstance(patch, dict) else None


def _parts(seen: Any, names: set[str]) -> frozenset[str] | None:
    """The top-level fields to take apart; None when all must be, since those named are no structs, or the others cannot be cloned."""
    kind: Any = type(seen)
    if not names <= _structs(kind):
        return None
    parts = frozenset(names) | ALWAYS
    return parts if all(_is_plain(getattr(seen, name)) for name in type(seen).__struct_fields__ if name not in parts) else None


def _is_plain(value: Any) -> bool:
    """Whether a value can be cloned by itself."""
    return value is None or isinstance(value, (msgspec.Struct, str, int, float)) or not value


def _of_operations(operations: Any) -> set[str] | None:
    """The first steps of all paths of a JSON Patch that lead below a top-level field."""
    names: set[str] = set()
    for operation in operations if isinstance(operations, list) else (None,):
        if not isinstance(operation, dict):
            return None
        for member in ("path", "from"):
            steps = operation.get(member, "" if member == "path" else None)
            if steps is None:
                continue
            way = steps.split("/") if isinstance(steps, str) else []
            if len(way) < 3 or way[0]:
                return None
            names.add(way[1])
    return names


@cache
def _structs(kind: Any) -> frozenset[str]:
    """The names of the top-level fields that are always there as structs, and of the two that say the kind."""
    blank = kind()
    return ALWAYS | {name for name in kind.__struct_fields__ if isinstance(getattr(blank, name), msgspec.Struct)}
