"""JSON and YAML text to plain data, with the errors of Go's encoding/json and sigs.k8s.io/yaml.

The fast parser reads nearly every text; a slower one reads what it refuses, and finds Go's words for what is wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import orjson

from pilothouse.machinery import strconv
from pilothouse.machinery.quoting import go_quoted

JSON = "application/json"
YAML = "application/yaml"
YAML_ERROR = "error converting YAML to JSON: "


class ReadYaml(bytes):
    """A YAML body with its parsed value, which another process has read: `parse` returns that."""

    value: Any
    repeated: Sequence[str]
    error: str

    def __new__(cls, data: bytes, *, value: Any = None, repeated: Sequence[str] = (), error: str = "") -> ReadYaml:
        body = super().__new__(cls, data)
        body.value, body.repeated, body.error = value, repeated, error
        return body


def parse(data: bytes, content_type: str = JSON, repeated: list[str] | None = None) -> Any:
    """Parse JSON or YAML to plain data. Raises ValueError with upstream's message. Duplicate keys of YAML are added to `repeated`."""
    if is_yaml(content_type):
        return _parse_yaml(data, repeated)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _parse_slowly(data)


def _parse_yaml(data: bytes, repeated: list[str] | None) -> Any:
    if isinstance(data, ReadYaml):
        if data.error:
            raise ValueError(f"{YAML_ERROR}{data.error}")
        if repeated is not None:
            repeated.extend(data.repeated)
        return data.value
    from pilothouse.machinery import yaml

    try:
        return yaml.parse(data, repeated)
    except yaml.YamlError as error:
        raise ValueError(f"{YAML_ERROR}{error}") from error


def _parse_slowly(data: bytes) -> Any:
    """What the fast parser refuses: lone surrogates are replaced as Go replaces them, all else is Go's complaint."""
    try:
        parsed = json.loads(data.decode(errors="replace"), parse_int=go_number, parse_float=go_number, parse_constant=_no_constant)
        return _without_surrogates(parsed) if b"\\u" in data else parsed
    except RecursionError as error:
        raise ValueError("exceeded max depth") from error
    except json.JSONDecodeError as error:
        raise ValueError(_syntax_text(_at_byte(data, error))) from error


def _at_byte(data: bytes, error: json.JSONDecodeError) -> json.JSONDecodeError:
    """The error of a document as one that points at a byte, also at one that is no UTF-8."""
    if "\ufffd" in error.doc:
        try:
            json.loads(data.decode(errors="surrogateescape"))
        except json.JSONDecodeError as again:
            return again
    return error


def go_number(text: str) -> int | float:
    """A JSON number as Go reads it into no particular type: what does not fit 64 bits is a float, what fits none an error."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"json: cannot unmarshal number {text} into Go value of type float64")
    value = strconv.integer(text)
    return number if value is None else value


def _no_constant(name: str) -> Any:
    """Python's NaN and Infinity are no JSON."""
    raise ValueError(f"invalid character '{name.lstrip('-')[0]}' looking for beginning of value")


def _without_surrogates(value: Any) -> Any:
    """The value with U+FFFD for every half of a pair that stands alone: no encoder takes it."""
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value


def _syntax_text(error: json.JSONDecodeError) -> str:
    rest = error.doc[error.pos :].lstrip(" \t\r\n")
    if not rest or error.msg.startswith("Unterminated string"):
        return "unexpected end of JSON input"
    first = chr(rest[0].encode(errors="surrogateescape")[0])  # Go speaks of the byte
    character = {"'": r"'\''", '"': """'"'"""}.get(first) or f"'{go_quoted(first)[1:-1]}'"
    where = {
        "Expecting value": "looking for beginning of value",
        "Expecting ',' delimiter": "after object key:value pair",
        "Expecting ':' delimiter": "after object key",
        "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
        "Illegal trailing comma before end of object": "looking for beginning of object key string",
        "Illegal trailing comma before end of array": "looking for beginning of value",
        "Extra data": "after top-level value",
        "Invalid control character at": "in string literal",
    }.get(error.msg, "in string escape code" if error.msg.startswith("Invalid \\") else "looking for beginning of value")
    return f"invalid character {character} {where}"


def is_yaml(content_type: str) -> bool:
    """Whether a Content-Type names YAML: any of the media types that are read as YAML, parameters ignored."""
    return content_type.partition(";")[0].strip().lower() in (YAML, "application/x-yaml", "text/yaml", "application/apply-patch+yaml")
