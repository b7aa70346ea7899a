"""Shared by all patch types: decoding, and upstream's errors."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError, bad_request, failure
from pilothouse.machinery.meta_v1 import StatusDetails
from pilothouse.machinery.quoting import go_float


def read(patch: bytes | Any, content_type: str = codec.JSON) -> Any:
    """The patch as data, whether it came as bytes or in process as data already."""
    if not isinstance(patch, (bytes, bytearray, memoryview)):
        return codec.clone(patch)
    try:
        return codec.parse(bytes(patch), content_type)
    except ValueError as error:
        if str(error).startswith("json: cannot unmarshal number"):
            raise bad_request(str(error)) from error
        raise bad_request("invalid JSON patch") from error


def check_json(patch: bytes) -> None:
    """A 400 StatusError for a patch that is no JSON, whatever its numbers."""
    with suppress(StatusError):
        read(patch)
        return
    try:
        json.loads(patch.decode(errors="replace"))
    except ValueError as error:
        raise bad_request("invalid JSON patch") from error


def unprocessable() -> StatusError:
    """422 for a patch that is well formed but does not fit the object. As upstream it does not say why."""
    return failure(422, "Invalid", "the server rejected our request due to an error in our request", StatusDetails())


def described(config: dict[str, Any]) -> str:
    """A configuration as upstream's errors name it: `namespace/name; group/version, Kind=Kind`."""
    api_version, metadata = str(config.get("apiVersion") or ""), config.get("metadata")
    name, namespace = (metadata.get(key) or "" for key in ("name", "namespace")) if isinstance(metadata, dict) else ("", "")
    return f"{namespace}/{name}; {api_version if '/' in api_version else f'/{api_version}'}, Kind={config.get('kind') or ''}"


def go_text(value: Any) -> str:
    """A value as Go's %v prints it: upstream's messages show maps so."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(go_text(item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return go_float(value)
    return "<nil>" if value is None else str(value)


def go_string_verb(value: Any) -> str:
    """A value as Go's %s prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_string_verb(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_string_verb, value))}]"
    if isinstance(value, str):
        return value
    return "%!s(<nil>)" if value is None else f"%!s({go_type(value)}={go_text(value)})"


def go_type(value: Any) -> str:
    """The Go type that a JSON value is read into."""
    names = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool", int: "int64", float: "float64"}
    return names.get(value.__class__, "%!s(<nil>)")
