"""Run-time values: native Python types where possible.

| CEL | Python |
|---|---|
| bool, int, double, string, bytes, null | bool, int (of 64 bits), float, str, bytes, None |
| uint | `Uint`, an int of its own class |
| list, map | list, dict; what a schema calls a set or a map list is a `TypedList` |
| timestamp, duration | `Timestamp`, `Duration`: nanoseconds |
| type | `Type` (compared by run-time name) |
| optional | `Optional` |
| object of a schema | the dict from JSON; its static type says what its fields are |
| opaque (quantity, IP, URL, ...) | any object with an attribute `cel_type: Type`; `==` is its equality, `cel_size` its size if it has one |

Values are never changed: an operation makes new ones. bool is no int here: look at `type(value)`, not at isinstance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pilothouse.cel import types
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.types import Type
from pilothouse.cel.work import spend

LEAST_INT, GREATEST_INT, GREATEST_UINT = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
SECOND = 1_000_000_000
LEAST_SECOND, GREATEST_SECOND = -62135596800, 253402300799
"""Years 1 to 9999."""


class Uint(int):
    """An unsigned integer of 64 bits. Equal to an int or a float of the same value, as in CEL."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{int.__repr__(self)}u"


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """Nanoseconds since 1970 in UTC. `offset_seconds` is the zone it was written with: only its text shows it."""

    nanoseconds: int
    offset_seconds: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A span in nanoseconds, within 64 bits."""

    nanoseconds: int


@dataclass(frozen=True, slots=True, eq=False)
class Optional:
    """A value that may be absent. Make it by `Optional.of(value)`; the absent one is `NONE`."""

    value: Any
    present: bool

    cel_type = types.optional_of(types.DYN)
    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def of(value: Any) -> Optional:
        """The optional that has a value."""
        return Optional(value, True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Optional) or self.present != other.present:
            return False
        return not self.present or equal(self.value, other.value)


NONE = Optional(None, False)


class TypedList(list[Any]):
    """A list with its own equality and addition: a list of type set or map in a schema."""

    __slots__ = ()

    def equals(self, other: list[Any]) -> bool:
        """Whether the lists are equal as `==` has it."""
        return len(self) == len(other) and all(map(equal, self, other))

    def plus(self, other: list[Any]) -> list[Any]:
        """Result of `+`."""
        return list.__add__(self, other)


class TypedMap(dict[Any, Any]):
    """A map with an equality of its own: an object of a schema that has sets or times in it. See schemavalues.py."""

    __slots__ = ()

    def equals(self, other: dict[Any, Any]) -> bool:
        """Whether the maps are equal as `==` has it."""
        return len(self) == len(other) and all(key in other and equal(value, other[key]) for key, value in self.items())


_TYPES: dict[type, Type] = {
    **{bool: types.BOOL, int: types.INT, Uint: types.UINT, float: types.DOUBLE, str: types.STRING, bytes: types.BYTES},
    **{type(None): types.NULL, Timestamp: types.TIMESTAMP, Duration: types.DURATION, Type: types.TYPE, types.ObjectType: types.TYPE},
    **{list: types.list_of(types.DYN), dict: types.map_of(types.DYN, types.DYN)},
}
NUMBERS = frozenset((int, Uint, float))


def type_of(value: Any) -> Type:
    """The run-time type of a value, parameters erased."""
    known = _TYPES.get(type(value))
    if known is not None:
        return known
    if isinstance(value, list):
        return _TYPES[list]
    if isinstance(value, dict):
        return _TYPES[dict]
    declared: Type = value.cel_type
    return declared


def type_name(value: Any) -> str:
    """The name of the run-time type, as `type(value)` and messages have it: `int`, `list`, `google.protobuf.Timestamp`."""
    return type_of(value).name


def matches(expected: Type, value: Any) -> bool:
    """Whether a value may be an argument of this type: by name, and by the first item of lists and maps, as cel-go looks at them."""
    if expected.is_dyn or (expected.nullable and value is None):
        return True
    if expected.name != type_name(value):
        return False
    if expected.kind == types.LIST_KIND and value:
        return matches(expected.element, value[0])
    if expected.kind == types.MAP_KIND and value:
        key, item = next(iter(value.items()))
        return matches(expected.key, key) and matches(expected.element, item)
    return True


def size_of(value: Any) -> int:
    """Size for costs: code points, bytes, items, entries; 1 of everything else."""
    if type(value) is str or isinstance(value, str | bytes | list | dict):
        return len(value)
    if isinstance(value, Optional) and value.present:
        return size_of(value.value)
    size: int = getattr(value, "cel_size", 1)
    return size


def equal(left: Any, right: Any) -> bool:
    """CEL's `==` of any two values: numbers are equal across their types, other types never.

    What equality of an opaque value on the left says is its own matter: Kubernetes' values refuse those of other types.
    """
    kind, other = type(left), type(right)
    if kind is other and kind in (str, int, bool):
        return bool(left == right)
    if kind in NUMBERS and other in NUMBERS:
        return _equal_numbers(left, right)
    if isinstance(left, list):
        return isinstance(right, list) and _equal_lists(left, right)
    if isinstance(left, dict):
        return isinstance(right, dict) and _equal_maps(left, right)
    if kind is not other and not hasattr(kind, "cel_type"):
        return isinstance(left, Type) and isinstance(right, Type) and left.name == right.name
    return left.name == right.name if kind is Type else bool(left == right)


def _equal_numbers(left: Any, right: Any) -> bool:
    if type(left) is float or type(right) is float:
        return float.__eq__(left + 0.0, right + 0.0)
    return bool(left == right)


def _equal_lists(left: list[Any], right: list[Any]) -> bool:
    if isinstance(left, TypedList):
        return left.equals(right)
    if len(left) != len(right):
        return False
    spend(len(left))
    return all(map(equal, left, right))


_ABSENT = object()


def _equal_maps(left: dict[Any, Any], right: dict[Any, Any]) -> bool:
    if isinstance(left, TypedMap):
        return left.equals(right)
    if len(left) != len(right):
        return False
    spend(len(left))
    for key, value in left.items():
        other = right.get(key, _ABSENT)
        if other is _ABSENT or not equal(value, other):
            return False
    return True


def compare(left: Any, right: Any) -> int:
    """-1, 0 or 1 for values that CEL orders: numbers across types, texts, bytes, bools, times; an error for others and for NaN."""
    kind, other = type(left), type(right)
    if kind in NUMBERS and other in NUMBERS:
        if left != left or right != right:
            raise EvaluationError("NaN values cannot be ordered")
        if kind is float or other is float:
            left, right = left + 0.0, right + 0.0
    elif kind is not other or kind not in _ORDERED:
        raise EvaluationError("no such overload")
    return int.__sub__(left > right, left < right)


_ORDERED = frozenset((bool, str, bytes, Timestamp, Duration))


def checked_int(value: int) -> int:
    """An int of 64 bits, or cel-go's overflow error."""
    if LEAST_INT <= value <= GREATEST_INT:
        return value
    raise EvaluationError("integer overflow")


def checked_uint(value: int) -> Uint:
    """An unsigned int of 64 bits, or cel-go's overflow error."""
    if 0 <= value <= GREATEST_UINT:
        return Uint(value)
    raise EvaluationError("unsigned integer overflow")


def checked_duration(nanoseconds: int) -> Duration:
    """A duration of 64 bits of nanoseconds, or cel-go's overflow error."""
    if LEAST_INT <= nanoseconds <= GREATEST_INT:
        return Duration(nanoseconds)
    raise EvaluationError("integer overflow")


def checked_timestamp(nanoseconds: int, offset_seconds: int = 0) -> Timestamp:
    """An instant of the years 1 to 9999, or cel-go's overflow error."""
    if LEAST_SECOND <= nanoseconds // SECOND <= GREATEST_SECOND:
        return Timestamp(nanoseconds, offset_seconds)
    raise EvaluationError("timestamp overflow")


def items(value: Any) -> Iterator[Any]:
    """Elements of a list, or keys of a map, for a comprehension."""
    if isinstance(value, list | dict):
        return iter(value)
    raise EvaluationError(f"got '{go_name(value)}', expected iterable type")


def go_name(value: Any) -> str:
    """cel-go's name of a value's class, which some of its messages have."""
    return _GO_NAMES.get(type(value), type_name(value))


_GO_NAMES = {
    **{bool: "types.Bool", int: "types.Int", Uint: "types.Uint", float: "types.Double", str: "types.String", bytes: "types.Bytes"},
    **{type(None): "types.Null", Timestamp: "types.Timestamp", Duration: "types.Duration", Type: "*types.Type"},
    **{types.ObjectType: "*types.Type", Optional: "*types.Optional", dict: "*types.baseMap", list: "*types.baseList"},
}
