"""From a patched dict to an object of its kind."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from pilothouse import API_LEVEL
from pilothouse.machinery import codec, strict
from pilothouse.machinery.codec import Decoded
from pilothouse.machinery.errors import StatusError, failure, invalid
from pilothouse.machinery.patch import document
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.shape import INTEGER, LIST, OPEN, STRUCT, Shape, shape_of

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

FRACTION = re.compile(r"json: cannot unmarshal number \S+ into Go (?:struct field|value) .*of type (int32|int64)")

OPERATIONS = Shape(LIST, "[]jsonPatchOp", item=Shape(STRUCT, "jsonPatchOp", fields=dict.fromkeys(("op", "from", "path", "value"), OPEN)))
"""A JSON Patch, as upstream reads it to find what it does not know."""


def object_of(
    patched: dict[str, Any], patch: bytes | Any, patch_type: str, type: type[Any], strictness: str = "", level: str = API_LEVEL
) -> Decoded:
    """The typed object of what a patch made; 422 in upstream's words where types or (Strict) names do not fit.

    Without a strictness the client is warned, as upstream does by default.
    """
    if type is dict:
        return Decoded(patched)
    shape = shape_of(type, level)
    found = _at_a_glance(patched, shape, type)
    text = ("" if found is not None else strict.type_error(patched, shape)) or _other_kind(patched, patch_type, type)
    warnings: list[str] = []
    if not text and strictness != "Ignore":
        warnings = _suspicious(patch, patch_type) + ([] if found is not None else _unknown(patched, shape))
    if warnings and strictness == "Strict":
        text = f"strict decoding error: {', '.join(warnings)}"
    if text:
        raise _refused(patched, patch, patch_type, text)
    try:
        if found is None:
            found = codec.convert(strict.without_nulls(patched, shape), type)
        return Decoded(codec.as_kind(found), warnings)
    except msgspec.ValidationError as error:
        raise _refused(patched, patch, patch_type, str(error)) from error


def applied_object(applied: dict[str, Any], config: dict[str, Any], type: type[Any], level: str = API_LEVEL) -> Any:
    """The typed object of what an apply made; where a value does not fit upstream answers 500 without a reason."""
    if type is dict:
        return applied
    shape = shape_of(type, level)
    found = _at_a_glance(applied, shape, type)
    if found is None:
        fitted = _with_go_integers(applied, shape)
        if text := strict.type_error(fitted, shape):
            raise _unconvertible(config, text)
        try:
            found = codec.convert(strict.without_nulls(fitted, shape), type)
        except msgspec.ValidationError as error:
            raise _unconvertible(config, str(error)) from error
    return codec.as_kind(found)


def _unconvertible(config: dict[str, Any], text: str) -> StatusError:
    if match := FRACTION.fullmatch(text):
        text = f"cannot convert float64 to {match[1]}"
    kind = f"{config.get('apiVersion')}, Kind={config.get('kind')}"
    which = f"unable to convert unstructured object to {kind if '/' in kind else f'/{kind}'}"
    return failure(500, "", f"failed to convert new object ({document.described(config)}) to proper version: {which}: {text}")


def _with_go_integers(value: Any, kind: Shape) -> Any:
    """A copy in which numbers are as Go's conversion of an unstructured object makes them: whole floats are integers, too large ones
    lose their upper bits."""
    if isinstance(value, dict):
        return {name: _with_go_integers(one, kind.fields.get(name) or kind.item or OPEN) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_go_integers(one, kind.item or OPEN) for one in value]
    if kind.kind != INTEGER or isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        return value
    bits = 64 if kind.go == "int64" else 32
    half = 1 << (bits - 1)
    return (int(value // 1) + half) % (2 * half) - half


def _other_kind(patched: dict[str, Any], patch_type: str, type: type[Any]) -> str:
    """What is wrong when a patch makes the object another kind. (A strategic merge patch cannot: upstream overlooks its words.)"""
    group, version, kind = getattr(type, "GVK", ("", "", ""))
    if not kind or patch_type == STRATEGIC_MERGE_PATCH:
        return ""
    wanted = f"{group}/{version}" if group else version
    found = patched.get("apiVersion") or wanted, patched.get("kind") or kind
    if found == (wanted, kind):
        return ""
    return f'no kind "{found[1]}" is registered for version "{found[0]}" in this place: it has {kind} of {wanted}'


def _at_a_glance(patched: dict[str, Any], shape: Shape, type: type[Any]) -> Any:
    """The object, where all of it is known and nothing needs to be put right, as nearly always; else None."""
    try:
        found = codec.convert(patched, type)
        return None if strict.survey(patched, shape) else found
    except (msgspec.ValidationError, strict.Doubt):
        return None


def _suspicious(patch: bytes | Any, patch_type: str) -> list[str]:
    """What the patch says twice, or in words that a JSON Patch has not."""
    if not isinstance(patch, bytes):
        return []
    if patch_type == JSON_PATCH:
        return [f"json patch {one}" for one in strict.suspicious(patch, OPERATIONS)]
    if patch_type in (MERGE_PATCH, STRATEGIC_MERGE_PATCH) and not strict.surely_unique(patch, document.read(patch)):
        return strict.suspicious(patch, OPEN)
    return []


def _unknown(patched: dict[str, Any], shape: Shape) -> list[str]:
    """Fields of the result that the type does not have."""
    if not strict.unknown_fields(patched, shape):
        return []
    in_order = json.loads(json.dumps(patched, sort_keys=True))  # upstream reads the result as it was written
    return [f'unknown field "{path}"' for path in strict.unknown_fields(in_order, shape)]


def _refused(patched: dict[str, Any], patch: bytes | Any, patch_type: str, text: str) -> StatusError:
    """Upstream shows the whole result for JSON patches, the patch itself for strategic ones."""
    whole = patch_type in (JSON_PATCH, MERGE_PATCH)
    read = codec.YAML if patch_type == APPLY_PATCH else codec.JSON
    shown = json.dumps(patched, separators=(",", ":")) if whole else document.go_text(document.read(patch, read))
    problems = Problems("patch")
    problems.invalid(shown, text)
    return invalid("", "", "", problems.found)
