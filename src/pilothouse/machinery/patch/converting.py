"""Conversion of plain data to Go's types, as apimachinery's converter does after a strategic merge patch or an apply.

It is stricter than the JSON decoder in nothing and says other words: `conversion_error`. Numbers it forces: `with_go_integers`.
"""

from __future__ import annotations

from typing import Any

from pilothouse.machinery import shape, strict
from pilothouse.machinery.patch import document
from pilothouse.machinery.shape import OPEN, Shape

KINDS = {"map[string]interface {}": "map", "[]interface {}": "slice"}


def conversion_error(value: Any, kind: Shape) -> str:
    """The first thing that does not fit, in the order of the type's fields; "" when all does."""
    if value is None or kind.kind in (shape.ANY, shape.RAW):
        return ""
    if kind.octets:
        if not isinstance(value, str):
            return f"cannot restore slice from {_go_kind(value)}"
        wrong = strict.type_error(value, kind)
        return f"error decoding from json: {wrong}" if wrong else ""
    if kind.time or kind.kind in (shape.QUANTITY, shape.INT_OR_STRING):
        return strict.type_error(value, kind)
    if kind.kind == shape.STRUCT:
        return _struct_error(value, kind)
    if kind.kind in (shape.LIST, shape.MAP):
        return _collection_error(value, kind)
    return _scalar_error(value, kind)


def _struct_error(value: Any, kind: Shape) -> str:
    if not isinstance(value, dict):
        return f"cannot restore struct from: {_go_kind(value)}"
    texts = (conversion_error(value[name], field) for name, field in kind.fields.items() if name in value)
    return next(filter(None, texts), "")


def _collection_error(value: Any, kind: Shape) -> str:
    wanted, name = (list, "slice") if kind.kind == shape.LIST else (dict, "map")
    if not isinstance(value, wanted):
        return f"cannot restore {name} from {_go_kind(value)}"
    items = value.values() if isinstance(value, dict) else value
    return next(filter(None, (conversion_error(item, kind.item or OPEN) for item in items)), "")


def _scalar_error(value: Any, kind: Shape) -> str:
    is_flag = isinstance(value, bool)
    is_number = isinstance(value, (int, float)) and not is_flag
    if kind.kind == shape.STRING:
        if isinstance(value, int) and not is_flag:
            return f"cannot convert int64 to {kind.named or 'string'}"
        return "" if isinstance(value, str) else "unrecognized type: string"
    if kind.kind == shape.BOOLEAN:
        return "" if is_flag else "unrecognized type: bool"
    if kind.kind == shape.INTEGER and isinstance(value, float) and not value.is_integer():
        return f"cannot convert float64 to {kind.go}"
    return "" if is_number else f"unrecognized type: {kind.go}"


def _go_kind(value: Any) -> str:
    name = document.go_type(value)
    return KINDS.get(name, name)


def with_go_integers(value: Any, kind: Shape) -> Any:
    """A copy in which whole floats are integers where the type has those, and too large ones have lost their upper bits."""
    if isinstance(value, dict):
        return {name: with_go_integers(item, kind.fields.get(name) or kind.item or OPEN) for name, item in value.items()}
    if isinstance(value, list):
        return [with_go_integers(item, kind.item or OPEN) for item in value]
    if kind.kind != shape.INTEGER or isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        return value
    half = 1 << (63 if kind.go == "int64" else 31)
    return (int(value // 1) + half) % (2 * half) - half
