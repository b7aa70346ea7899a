"""The shape of a struct type as plain data, for those who walk dicts by it: strict decoding, error texts, strategic merge.

- A `Shape` is made once a type, at first use, and shared.
- `go` is how the Go compiler would print the type: upstream's messages name it.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union

import msgspec

from pilothouse.machinery.struct import Object

STRUCT, LIST, MAP, STRING, INTEGER, BOOLEAN, NUMBER, QUANTITY, INT_OR_STRING, ANY, RAW = (
    "struct", "list", "map", "string", "integer", "boolean", "number", "quantity", "intOrString", "any", "raw",
)  # fmt: skip

INT64_FIELDS = frozenset({
    "activeDeadlineSeconds", "backoffLimitPerIndex", "deletionGracePeriodSeconds", "expirationSeconds", "fsGroup", "generation",
    "gracePeriodSeconds", "initialDelay", "limit", "observedGeneration", "remainingItemCount", "runAsGroup", "runAsUser", "sizeBytes",
    "starvationSeconds", "supplementalGroups", "terminationGracePeriodSeconds", "timeoutSecondsLong", "tolerationSeconds", "value",
})  # fmt: skip
"""Names of the integers that upstream keeps in 64 bits; all others have 32."""

SIMPLE = {str: STRING, int: INTEGER, bool: BOOLEAN, float: NUMBER, Any: ANY, object: ANY, msgspec.Raw: RAW}
TIME_ENDINGS = ("Time", "Timestamp", "startedAt", "finishedAt")
MICRO_TIMES = frozenset({"acquireTime", "eventTime", "lastObservedTime", "renewTime"})
"""Names of the times that upstream keeps to the microsecond."""
OCTETS = frozenset({
    "APIServiceSpec.caBundle", "CertificateSigningRequestSpec.request", "CertificateSigningRequestStatus.certificate",
    "ConfigMap.binaryData", "Secret.data", "WebhookClientConfig.caBundle",
})  # fmt: skip
"""The fields that hold bytes in base64, or a map of such."""


@dataclass(slots=True)
class Shape:
    """One type: its kind, the fields of a struct by their names in JSON, or the item of a list or a map."""

    kind: str
    go: str
    name: str = ""
    fields: Mapping[str, Shape] = field(default_factory=dict)
    item: Shape | None = None
    time: bool = False
    micro: bool = False
    octets: bool = False
    checked: bool = True
    """Whether a value needs a look although a typed decoder took it: false for strings, booleans and floats."""
    survey: Callable[[Any], int] | None = None
    """Made by strict.py at first use."""
    merges: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    map_type: str = ""
    """`x-kubernetes-map-type` of the struct itself: "atomic" or ""."""
    maps: Mapping[str, str] = field(default_factory=dict)
    """Map types of fields; they go before the `map_type` of the field's struct."""


OPEN = Shape(ANY, "interface {}")


_structs: dict[type[Any], Shape] = {}
"""Every shape made so far: as many as there are struct classes."""


def shape_of(kind: type[Any]) -> Shape:
    """The shape of a struct class; of `dict` (a custom resource) one that takes anything."""
    if kind in _structs:
        return _structs[kind]
    if not issubclass(kind, msgspec.Struct):
        return OPEN
    found = Shape(STRUCT, f"v1.{kind.__name__}", kind.__name__)
    _structs[kind] = found
    found.fields = {one.encode_name: _field_shape(kind.__name__, one.encode_name, one.type) for one in msgspec.structs.fields(kind)}
    found.merges = getattr(kind, "MERGES", {})
    found.lists = getattr(kind, "LISTS", {})
    found.map_type = getattr(kind, "MAP_TYPE", "")
    found.maps = getattr(kind, "MAPS", {})
    return found


def _field_shape(owner: str, name: str, annotation: Any) -> Shape:
    found = _shape(annotation, name in INT64_FIELDS)
    if f"{owner}.{name}" in OCTETS:
        return _octets(found)
    if found.kind == STRING and (name.endswith(TIME_ENDINGS) or name == "time"):
        found.time = found.checked = True
        found.micro = name in MICRO_TIMES
    return found


def _octets(found: Shape) -> Shape:
    one = Shape(STRING, "[]uint8", octets=True)
    return one if found.kind == STRING else Shape(MAP, f"map[string]{one.go}", item=one)


def _shape(annotation: Any, wide: bool) -> Shape:
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return _union(tuple(one for one in arguments if one is not type(None)), wide)
    if origin is list:
        item = _shape(arguments[0], wide)
        return Shape(LIST, f"[]{item.go}", item=item)
    if origin is dict:
        item = _shape(arguments[1], wide)
        return Shape(MAP, f"map[string]{item.go}", item=item)
    if isinstance(annotation, type) and issubclass(annotation, Object):
        return shape_of(annotation)
    kind = SIMPLE.get(annotation, ANY)
    names = {
        STRING: "string",
        INTEGER: "int64" if wide else "int32",
        BOOLEAN: "bool",
        NUMBER: "float64",
        ANY: "interface {}",
        RAW: "v1.FieldsV1",
    }
    return Shape(kind, names[kind], checked=kind not in (STRING, BOOLEAN, NUMBER, RAW))


def _union(members: tuple[Any, ...], wide: bool) -> Shape:
    if len(members) == 1:
        return _shape(members[0], wide)
    if set(members) == {str, int, float}:
        return Shape(QUANTITY, "resource.Quantity")
    if set(members) == {str, int}:
        return Shape(INT_OR_STRING, "intstr.IntOrString")
    return Shape(ANY, "interface {}")
