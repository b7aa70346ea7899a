"""The base of every built-in object, and the rules by which its fields are typed.

- An attribute bears the API's own field name; a reserved word gets a trailing underscore (`from_`).
- Fields stand in the order of Go's struct, which is their order in JSON (`kind` before `apiVersion`).
- A plain value of Go (string, number, boolean) is never None. With omitempty it is encoded unless it is zero: zero and absent are
  the same. Without omitempty it is always encoded.
- A pointer is None when absent, and keeps what was said, also "", 0 and false. Without omitempty None is encoded as null.
- A list or map with omitempty is never None and is encoded unless it is empty. Without omitempty it is None, encoded as null, when
  it is empty: an empty list comes back as nil from upstream's storage. (`items` of a list kind are always a list.)
- A struct that Go keeps by value is always there and always encoded, if need be as {}.
- A time that Go keeps by value is None, encoded as null, when it is not set; one that Go leaves out is "".
- JSON of any kind (runtime.RawExtension) is bytes: `null` when it is not set, nothing where Go has a pointer with omitempty.
- JSON null is the zero value of its field; `codec.decode` strips it where the structs do not take it.

Class attributes `LEVEL` (of a struct) and `SINCE` (of fields) name the API level that they came with, where it is later than the oldest
(pilothouse.API_LEVELS); `GO` tells Go types apart that are one type in Python (int64, bytes, Time, MicroTime,
RawExtension).

Class attributes of the generated structs say how patches treat a field: `MERGES` (strategic merge patch), `LISTS` and `MAPS`
(server-side apply: `x-kubernetes-list-type`, `x-kubernetes-map-type` of the field), and `MAP_TYPE` (`x-kubernetes-map-type` of the
struct itself: "atomic" when one manager owns all of it). What `MAPS` says of a field goes before the `MAP_TYPE` of its struct
(PersistentVolumeSpec.claimRef is "granular").

Times are RFC 3339 strings (`machinery.time` reads and writes them), quantities and int-or-strings are what the client
wrote until defaulting makes them canonical (`machinery.quantity`). Structs hold trees, never cycles: hence `gc=False`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import msgspec

Quantity: TypeAlias = str | int | float
IntOrString: TypeAlias = int | str
Merges: TypeAlias = Mapping[str, tuple[str, str]]
"""Field -> (patch strategy, patch merge key) of strategic merge patch."""
Lists: TypeAlias = Mapping[str, tuple[str, tuple[str, ...]]]
"""Field -> (list type: atomic, set or map; the keys of a map list) of server-side apply."""

Maps: TypeAlias = Mapping[str, str]
"""Field -> map type of a map or struct: atomic or granular. Fields not named follow the MAP_TYPE of their struct."""


FieldsV1: TypeAlias = msgspec.Raw
"""A set of fields as managedFields record it: JSON that only machinery/fieldset.py looks into."""
NO_FIELDS: FieldsV1 = msgspec.Raw()
RawExtension: TypeAlias = msgspec.Raw
"""JSON of any kind, kept as the client wrote it but for whitespace and Go's escapes (machinery/rawextension.py)."""


class Object(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """Base of the generated structs."""


def constant(value: str) -> Callable[[], str]:
    """A default factory for a value that must be encoded although it is the default."""
    return partial(str, value)


def List() -> list[Any]:
    """An empty list that is encoded: msgspec omits only the empty values of `list` itself."""
    return []


def NullRaw() -> RawExtension:
    """JSON that nobody has given: encoded as null."""
    return msgspec.Raw(b"null")


def Null() -> None:
    """None that is encoded as null: msgspec omits a None that is the default."""
    return
