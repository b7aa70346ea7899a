"""The types that expressions of MutatingAdmissionPolicies construct: `Object`, `Object.spec`, ... and `JSONPatch`.

- Every name that begins with `Object.` is a type, and any field of it may be set, to anything. Whether names fit the places where the
  values stand is looked at after the evaluation (`mismatches`), as upstream.
- Upstream: k8s.io/apiserver/pkg/cel/mutation.
"""

from __future__ import annotations

import base64
from calendar import month_name
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pilothouse.cel import shown
from pilothouse.cel.types import DYN, OBJECT_KIND, STRING, ObjectType, Type
from pilothouse.cel.values import Duration, Optional, Timestamp, Uint, equal, type_name
from pilothouse.machinery.patch.typed import NoJson
from pilothouse.machinery.quoting import go_quoted

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GREATEST_SAFE = 2**53 - 1
LEAST_EXPONENT = 1e21
"""From here on Go writes an exponent."""
OBJECT_NAME, JSON_PATCH_NAME = "Object", "JSONPatch"


@dataclass(eq=False, slots=True)
class ObjectValue:
    """A value of an Object type: its fields as CEL values."""

    cel_type: Type
    fields: dict[str, Any]

    __hash__ = None  # type: ignore[assignment]

    def cel_find(self, name: str) -> Any:
        """A field; KeyError when it is not set."""
        return self.fields[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectValue) and self.cel_type.name == other.cel_type.name and equal(self.fields, other.fields)


@dataclass(eq=False, slots=True)
class PatchValue:
    """A value of JSONPatch: one operation. `value` is in `fields` only when it was set, if only to null."""

    fields: dict[str, Any]

    __hash__ = None  # type: ignore[assignment]

    @property
    def cel_type(self) -> Type:
        """CEL type of the value: JSONPatch."""
        return JSON_PATCH

    def cel_find(self, name: str) -> Any:
        """A field: texts that are not set are empty."""
        return self.fields[name] if name == "value" else self.fields.get(name, "")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PatchValue) and equal(self.fields, other.fields)


class _DynamicType(ObjectType):
    """An object type of which every field is dynamic."""

    __slots__ = ()

    def field_type(self, name: str) -> Type | None:
        return DYN


def find_type(name: str) -> Type | None:
    """The type of a name that expressions of mutations may construct."""
    if name == JSON_PATCH_NAME:
        return JSON_PATCH
    if name == OBJECT_NAME or name.startswith(f"{OBJECT_NAME}."):
        made: Type
        made = _DynamicType(OBJECT_KIND, name, construct=lambda fields: ObjectValue(find_type(name) or OBJECT, fields))
        return made
    return None


JSON_PATCH = ObjectType(
    OBJECT_KIND, JSON_PATCH_NAME, fields={"op": STRING, "path": STRING, "from": STRING, "value": DYN}, construct=PatchValue
)
OBJECT: Type = find_type(OBJECT_NAME) or DYN


def mismatches(value: Any, path: str) -> Iterator[str]:
    """Where type names do not match the field path of their values; `path` is the type name required for the value itself."""
    if isinstance(value, ObjectValue):
        name = value.cel_type.name
        if name != path:
            yield f"unexpected type name {go_quoted(name)}, expected {go_quoted(path)}, which matches field name path from root Object type"
        for field, below in value.fields.items():
            yield from mismatches(below, f"{path}.{field}")
    elif isinstance(value, list | dict):
        for below in value.values() if isinstance(value, dict) else value:
            yield from mismatches(below, path)


class NoConversion(Exception):
    """A CEL value that has no JSON. `str()` says why, in cel-go's words."""


def json_of(value: Any) -> Any:
    """A CEL value as the JSON of a JSONPatch; NoConversion for what has none."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, ObjectValue):
        return {name: json_of(field) for name, field in value.fields.items()}
    if isinstance(value, list):
        return [json_of(item) for item in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise NoConversion(f"unsupported type conversion from '{type_name(key)}' to string")
        return {key: json_of(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Timestamp):
        return shown.timestamp(value)
    if isinstance(value, Duration):
        return shown.duration(value)
    if isinstance(value, Optional) and value.present:
        return json_of(value.value)
    if isinstance(value, Optional):
        raise NoConversion("optional.none() dereference")
    if isinstance(value, Type):
        raise NoConversion("type conversion not supported for 'type'")
    raise NoConversion(f"type conversion error from '{type_name(value).rpartition('.')[2]}' to '*structpb.Value'")


def _number(value: float) -> float | str:
    """A number in JSON: an integer that no double holds is a text, and a double without fraction an integer."""
    if isinstance(value, int):
        whole = int.__int__(value)
        return whole if abs(value) <= GREATEST_SAFE else str(whole)
    return value.__trunc__() if value.is_integer() and abs(value) < LEAST_EXPONENT else value


def configuration_of(value: Any) -> Any:
    """A CEL value as a part of an ApplyConfiguration. What is none of JSON's values (null is none here, as upstream) stays apart as
    NoJson; NoConversion for maps whose keys are no texts."""
    if isinstance(value, str | bool | float) or type(value) is int:
        return value
    if isinstance(value, ObjectValue):
        return {name: configuration_of(field) for name, field in value.fields.items()}
    if isinstance(value, list):
        return [configuration_of(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise NoConversion("invalid return type: *dynamic.ObjectVal")
        return {key: configuration_of(item) for key, item in value.items()}
    if isinstance(value, Optional) and value.present:
        return configuration_of(value.value)
    return value.name if isinstance(value, Type) else _no_json(value)


def _no_json(value: Any) -> NoJson:
    if value is None:
        return NoJson("NULL_VALUE", "0", "structpb.NullValue")
    if isinstance(value, Uint):
        return NoJson(str(int.__int__(value)), hex(value), "uint64")
    if isinstance(value, bytes):
        octets = ", ".join(map(hex, value))
        return NoJson(f"[{' '.join(map(str, value))}]", f"[]uint8{{{octets}}}", "[]uint8")
    if isinstance(value, Duration):
        return NoJson(shown.duration(value), str(value.nanoseconds), "time.Duration")
    if isinstance(value, Timestamp):
        return NoJson(shown.timestamp(value), _date(value), "time.Time")
    return NoJson(type_name(value), type_name(value), type_name(value))


def _date(value: Timestamp) -> str:
    """A time as Go's %#v prints it."""
    seconds, nanoseconds = divmod(value.nanoseconds, 1_000_000_000)
    moment = EPOCH + timedelta(seconds=seconds)
    time = f"{moment.hour}, {moment.minute}, {moment.second}, {nanoseconds}, time.UTC"
    return f"time.Date({moment.year}, time.{month_name[moment.month]}, {moment.day}, {time})"
