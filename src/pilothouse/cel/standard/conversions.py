"""Conversions: `int(...)`, `string(...)`, `timestamp(...)`, ..., and `type` and `dyn`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.cel import types
from pilothouse.cel.declarations import Cost, Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.shown import double, duration, timestamp
from pilothouse.cel.types import BOOL, BYTES, DOUBLE, DURATION, DYN, INT, STRING, TIMESTAMP, UINT, Type, parameter, type_of
from pilothouse.cel.values import (
    GREATEST_INT,
    GREATEST_SECOND,
    LEAST_SECOND,
    SECOND,
    Duration,
    Timestamp,
    Uint,
    checked_int,
    checked_timestamp,
    checked_uint,
    size_of,
)
from pilothouse.cel.values import type_of as type_of_value
from pilothouse.machinery import strconv, time

TRAVERSAL = 0.1
A = parameter("A")


def conversion_error(target: Type) -> EvaluationError:
    """cel-go's error for a string that cannot be converted."""
    return EvaluationError(f"type conversion error from 'string' to '{target.name}'")


def _parsed(target: Type, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def call(text: str) -> Any:
        try:
            return parse(text)
        except ValueError:
            raise conversion_error(target) from None

    return call


def timestamp_of(text: str) -> Timestamp:
    """An RFC 3339 time to the nanosecond, with the zone it is written in; ValueError when it is none."""
    moment = time.parse(text)
    match = time.RFC3339.fullmatch(text)
    assert match is not None
    digits = (match[7] or "")[:9].ljust(9, "0")
    hours, minutes = strconv.integer(match[9] or "0") or 0, strconv.integer(match[10] or "0") or 0
    offset = (hours * 60 + minutes) * (-60 if match[8] == "-" else 60)
    seconds = (moment.replace(microsecond=0) - _EPOCH).total_seconds()
    return checked_timestamp(seconds.__trunc__() * SECOND + (strconv.integer(digits) or 0), offset)


_EPOCH = time.parse("1970-01-01T00:00:00Z")


def duration_of(text: str) -> Duration:
    """A duration as Go writes it (`1h30m`); ValueError when it is none."""
    return Duration(time.duration_nanoseconds(text))


def double_to_int(value: float) -> int:
    """Cut towards zero; an overflow for what 64 bits cannot hold."""
    if not -(2.0**63) < value < 2.0**63:
        raise EvaluationError("integer overflow")
    return math.trunc(value)


def double_to_uint(value: float) -> Uint:
    """Cut towards zero; an overflow for negative and large ones."""
    if not 0 <= value < 2.0**64:
        raise EvaluationError("unsigned integer overflow")
    return Uint(math.trunc(value))


def uint_to_int(value: Uint) -> int:
    """An overflow beyond 63 bits."""
    if value > GREATEST_INT:
        raise EvaluationError("integer overflow")
    return int.__int__(value)


def int_to_timestamp(value: int) -> Timestamp:
    """Seconds since 1970."""
    if not LEAST_SECOND <= value <= GREATEST_SECOND:
        raise EvaluationError("timestamp overflow")
    return Timestamp(value * SECOND)


def bytes_to_string(value: bytes) -> str:
    """UTF-8; an error for other octets."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None


def _identity(value: Any) -> Any:
    return value


def _traversal(arguments: Sequence[Any], result: Any) -> int:
    return math.ceil(size_of(arguments[0]) * TRAVERSAL)


def _conversion(name: str, target: Type, sources: dict[str, tuple[Type, Callable[[Any], Any]]]) -> Function:
    costs: dict[str, Cost] = {"string_to_bytes": _traversal, "bytes_to_string": _traversal}
    return Function(name, tuple(Overload(id_, (source,), target, call, cost=costs.get(id_)) for id_, (source, call) in sources.items()))


CONVERSIONS = Library(
    "conversions",
    (
        Function("type", (Overload("type", (A,), type_of(A), type_of_value),), dynamic=type_of_value),
        Function("dyn", (Overload("to_dyn", (A,), DYN, _identity),), dynamic=_identity),
        _conversion("bool", BOOL, {"bool_to_bool": (BOOL, _identity), "string_to_bool": (STRING, _parsed(BOOL, strconv.parse_bool))}),
        _conversion("bytes", BYTES, {"bytes_to_bytes": (BYTES, _identity), "string_to_bytes": (STRING, str.encode)}),
        _conversion(
            "double",
            DOUBLE,
            {
                "double_to_double": (DOUBLE, _identity),
                "int64_to_double": (INT, float),
                "string_to_double": (STRING, _parsed(DOUBLE, strconv.parse_float)),
                "uint64_to_double": (UINT, float),
            },
        ),
        _conversion(
            "duration",
            DURATION,
            {"duration_to_duration": (DURATION, _identity), "string_to_duration": (STRING, _parsed(DURATION, duration_of))},
        ),
        _conversion(
            "int",
            INT,
            {
                "int64_to_int64": (INT, _identity),
                "double_to_int64": (DOUBLE, double_to_int),
                "duration_to_int64": (DURATION, lambda value: value.nanoseconds),
                "string_to_int64": (STRING, _parsed(INT, strconv.parse_int)),
                "timestamp_to_int64": (TIMESTAMP, lambda value: checked_int(value.nanoseconds // SECOND)),
                "uint64_to_int64": (UINT, uint_to_int),
            },
        ),
        _conversion(
            "string",
            STRING,
            {
                "string_to_string": (STRING, _identity),
                "bool_to_string": (BOOL, lambda value: "true" if value else "false"),
                "bytes_to_string": (BYTES, bytes_to_string),
                "double_to_string": (DOUBLE, double),
                "duration_to_string": (DURATION, duration),
                "int64_to_string": (INT, str),
                "timestamp_to_string": (TIMESTAMP, timestamp),
                "uint64_to_string": (UINT, lambda value: str(int.__int__(value))),
            },
        ),
        _conversion(
            "timestamp",
            TIMESTAMP,
            {
                "timestamp_to_timestamp": (TIMESTAMP, _identity),
                "int64_to_timestamp": (INT, int_to_timestamp),
                "string_to_timestamp": (STRING, _parsed(TIMESTAMP, timestamp_of)),
            },
        ),
        _conversion(
            "uint",
            UINT,
            {
                "uint64_to_uint64": (UINT, _identity),
                "double_to_uint64": (DOUBLE, double_to_uint),
                "int64_to_uint64": (INT, checked_uint),
                "string_to_uint64": (STRING, _parsed(UINT, lambda text: Uint(strconv.parse_uint(text)))),
            },
        ),
    ),
    types=(
        *(types.BOOL, types.BYTES, types.DOUBLE, types.DURATION, types.INT, types.NULL, types.STRING, types.TIMESTAMP),
        *(types.TYPE, types.UINT, types.list_of(DYN), types.map_of(DYN, DYN)),
    ),
)
