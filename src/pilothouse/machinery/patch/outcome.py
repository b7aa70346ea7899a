"""From a patched dict to an object of its kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from pilothouse import API_LEVEL
from pilothouse.machinery import codec, coercing, fieldset, strict
from pilothouse.machinery.codec import Decoded
from pilothouse.machinery.errors import StatusError, failure, internal_error, invalid
from pilothouse.machinery.patch import document
from pilothouse.machinery.patch.converting import conversion_error, with_go_integers
from pilothouse.machinery.patch.json import OPERATION_LIST
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.shape import OPEN, Shape, shape_of
from pilothouse.machinery.unstructured import Unstructured

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def object_of(
    patched: dict[str, Any], patch: bytes | Any, patch_type: str, type: type[Any], strictness: str = "", level: str = API_LEVEL
) -> Decoded:
    """The typed object that a patch made. Raises upstream's 422 for wrong types or, if Strict, unknown fields.

    Without a strictness the client is warned, as upstream does by default.
    """
    if type is dict:
        return Decoded(patched)
    if issubclass(type, Unstructured):
        return _custom_object(patched, patch, patch_type, type, strictness)
    shape = shape_of(type, level)
    obj = _at_a_glance(patched, shape, type)
    is_converted = patch_type == STRATEGIC_MERGE_PATCH
    if obj is None and is_converted and not conversion_error(patched, shape):
        patched = with_go_integers(patched, shape)
    judge = conversion_error if is_converted else strict.type_error
    text = ("" if obj is not None else judge(patched, shape)) or _other_kind(patched, patch_type, type)
    warnings: list[str] = []
    if not text and strictness != "Ignore":
        warnings = _unknown_and_duplicate_fields(patch, patch_type) + ([] if obj is not None else _unknown(patched, shape))
    if warnings and strictness == "Strict":
        text = f"strict decoding error: {', '.join(warnings)}"
    if text:
        raise _refused(patched, patch, patch_type, text)
    try:
        if obj is None:
            obj = codec.convert(strict.without_nulls(patched, shape), type)
        return Decoded(codec.set_type_meta(obj), warnings)
    except msgspec.ValidationError as error:
        raise _refused(patched, patch, patch_type, str(error)) from error


def _custom_object(patched: dict[str, Any], patch: bytes | Any, patch_type: str, type: type[Unstructured], strictness: str) -> Decoded:
    """The same of a kind without a struct."""
    text, warnings = "", list[str]()
    try:
        made, unknown = coercing.decode_coerced(codec.clone(patched), type)
    except ValueError as problem:
        raise _refused(patched, patch, patch_type, str(problem), is_custom=True) from problem
    if strictness != "Ignore":
        warnings = [*_unknown_and_duplicate_fields(patch, patch_type), *(f'unknown field "{path}"' for path in unknown)]
    if warnings and strictness == "Strict":
        text = f"strict decoding error: {', '.join(warnings)}"
    if not patched.get("kind"):
        text = f"Object 'Kind' is missing in '{_sorted(patched)}'"
    if text:
        raise _refused(patched, patch, patch_type, text, is_custom=True)
    if not patched.get("apiVersion") and made.metadata.name:
        raise internal_error("Object 'apiVersion' is missing in 'object has no apiVersion field'")
    coercing.check_type_meta(patched, type)
    return Decoded(made, warnings)


def applied_object(applied: dict[str, Any], config: dict[str, Any], type: type[Any], level: str = API_LEVEL) -> Any:
    """The typed object of what an apply made; where a value does not fit upstream answers 500 without a reason."""
    if type is dict:
        return applied
    try:
        return converted(applied, type, level)
    except ConversionFailed as error:
        raise _unconvertible(config, str(error)) from error


class ConversionFailed(Exception):
    """JSON that is no object of a type. `str()` is the text of upstream's converter of unstructured objects."""


def converted(value: dict[str, Any], type: type[Any], level: str = API_LEVEL) -> Any:
    """The typed object of JSON; ConversionFailed where a value does not fit. Fields that the type does not have are dropped."""
    shape = shape_of(type, level)
    obj = _at_a_glance(value, shape, type)
    if obj is None:
        if text := conversion_error(value, shape):
            raise ConversionFailed(text)
        try:
            obj = codec.convert(strict.without_nulls(with_go_integers(value, shape), shape), type)
        except msgspec.ValidationError as error:
            raise ConversionFailed(str(error)) from error
    return codec.set_type_meta(obj)


class StrictDecodingFailed(Exception):
    """JSON that is no object of a type, or has more fields than that. `str()` is the text of upstream's strict decoder."""


def strictly_decoded(value: dict[str, Any], type: type[Any], level: str = API_LEVEL) -> Any:
    """The typed object of JSON that has no other fields; StrictDecodingFailed otherwise."""
    shape = shape_of(type, level)
    obj = _at_a_glance(value, shape, type)
    if obj is not None:
        return codec.set_type_meta(obj)
    if text := strict.type_error(value, shape):
        raise StrictDecodingFailed(text)
    if unknown := _unknown(value, shape):
        raise StrictDecodingFailed(f"strict decoding error: {', '.join(unknown)}")
    try:
        return codec.set_type_meta(codec.convert(strict.without_nulls(value, shape), type))
    except msgspec.ValidationError as error:
        raise StrictDecodingFailed(str(error)) from error


def _unconvertible(config: dict[str, Any], text: str) -> StatusError:
    kind = f"{config.get('apiVersion')}, Kind={config.get('kind')}"
    which = f"unable to convert unstructured object to {kind if '/' in kind else f'/{kind}'}"
    return failure(500, "", f"failed to convert new object ({document.described(config)}) to proper version: {which}: {text}")


def _other_kind(patched: dict[str, Any], patch_type: str, type: type[Any]) -> str:
    """What is wrong when a patch makes the object another kind. (A strategic merge patch cannot: upstream overlooks its words.)"""
    group, version, kind = getattr(type, "GVK", ("", "", ""))
    if not kind or patch_type == STRATEGIC_MERGE_PATCH:
        return ""
    wanted = f"{group}/{version}" if group else version
    said_gvk = patched.get("apiVersion") or wanted, patched.get("kind") or kind
    if said_gvk == (wanted, kind):
        return ""
    try:
        said = codec.completed((group, version, kind), *said_gvk)
    except ValueError as problem:
        return str(problem)
    if said == (group, version, kind):
        return ""
    api_version = f"{said[0]}/{said[1]}" if said[0] else said[1]
    return f'no kind "{said[2]}" is registered for version "{api_version}" in scheme "pkg/runtime/scheme.go:111"'


def _at_a_glance(patched: dict[str, Any], shape: Shape, type: type[Any]) -> Any:
    """The object, where all of it is known and nothing needs to be put right, as nearly always; else None."""
    try:
        obj = codec.convert(patched, type)
        return None if strict.quick_check(patched, shape) else obj
    except (msgspec.ValidationError, strict.NeedsFullCheck):
        return None


def _unknown_and_duplicate_fields(patch: bytes | Any, patch_type: str) -> list[str]:
    """What the patch says twice, or in words that a JSON Patch has not."""
    if not isinstance(patch, bytes):
        return []
    if patch_type == JSON_PATCH:
        return [f"json patch {problem}" for problem in strict.unknown_and_duplicate_fields(patch, OPERATION_LIST)]
    if patch_type in (MERGE_PATCH, STRATEGIC_MERGE_PATCH) and not strict.surely_unique(patch, document.read(patch)):
        return strict.unknown_and_duplicate_fields(patch, OPEN)
    return []


def _unknown(patched: dict[str, Any], shape: Shape) -> list[str]:
    """Fields of the result that the type does not have."""
    if not strict.unknown_fields(patched, shape):
        return []
    in_order = json.loads(json.dumps(patched, sort_keys=True))  # upstream reads the result as it was written
    return [f'unknown field "{path}"' for path in strict.unknown_fields(in_order, shape)]


def _sorted(patched: dict[str, Any]) -> str:
    """What a patch has made of a custom object, as upstream shows it."""
    return fieldset.escaped(json.dumps(patched, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def _refused(patched: dict[str, Any], patch: bytes | Any, patch_type: str, text: str, *, is_custom: bool = False) -> StatusError:
    """Upstream shows the result for JSON and merge patches (of custom objects its keys are sorted), the patch itself for strategic ones."""
    said = document.read(patch)
    if is_custom:
        shown = _sorted(patched)
    elif patch_type == MERGE_PATCH:
        shown = _as_patched(patched, frozenset(_maps(said, ())))
    elif patch_type == JSON_PATCH:
        ways = [tuple(operation[name].split("/")[1:]) for operation in said for name in ("path", "from") if operation.get(name)]
        shown = _as_patched(patched, frozenset(way[:length] for way in ways for length in range(len(way))))
    else:
        shown = document.go_text(said)
    problems = Problems("patch")
    problems.invalid(shown, text)
    return invalid("", "", "", problems.found)


def _maps(patch: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The paths of all maps of a merge patch."""
    if isinstance(patch, dict):
        yield path
        for name, value in patch.items():
            yield from _maps(value, (*path, name))


def _as_patched(patched: Any, touched: frozenset[tuple[str, ...]]) -> str:
    """The JSON of a result: maps that the patch went into are written anew, keys sorted, all others as they were."""

    def arranged(value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            names = sorted(value) if path in touched else list(value)
            return {name: arranged(value[name], (*path, name)) for name in names}
        return [arranged(item, (*path, str(index))) for index, item in enumerate(value)] if isinstance(value, list) else value

    return fieldset.escaped(json.dumps(arranged(patched, ()), separators=(",", ":"), ensure_ascii=False))
