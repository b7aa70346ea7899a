"""Strict decoding: unknown fields, duplicate fields, and Go's errors for wrong types.

- `unknown_and_duplicate_fields` gives upstream's messages about both, in the order of the text; `unknown_fields` only the paths of unknown
  ones (`spec.containers[0].foo`), of parsed data. At most 100 each.
- `type_error` gives the text of Go's first complaint (`json: cannot unmarshal string into Go struct field ...`), or "".
- `without_nulls` makes JSON null what Go makes of it: an absent field, a zero value in a list or a map.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import chain
from typing import Any

import msgspec
import orjson

from pilothouse.kit.remember import remember
from pilothouse.machinery import octets, quantity, rawextension, shape, time
from pilothouse.machinery.shape import Shape

LIMIT = 100
TIMES_REMEMBERED = 4096
QUOTE_AND_SPACE = (b'" ', b'"\n', b'"\r', b'"\t')
"""Looked for first: a compact text has none of them, and finding them is ten times as fast as the expression."""
SPACED_COLON = re.compile(rb'"\s+:')
QUOTE = rb"\u0022"
"""How a quote may be written that `":` is counted by: written again it looks different."""
INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)


def unknown_fields(value: Any, kind: Shape) -> list[str]:
    """Paths of fields that the type does not have, in the order of the document."""
    unknown: list[str] = []
    _walk_unknown(value, kind, "", unknown)
    return unknown[:LIMIT]


def _walk_unknown(value: Any, kind: Shape, path: str, unknown: list[str]) -> None:
    if kind.kind == shape.STRUCT and isinstance(value, dict):
        fields = kind.fields
        for name, child in value.items():
            known = fields.get(name)
            if known is None:
                unknown.append(f"{path}.{name}" if path else name)
            elif isinstance(child, (dict, list)):
                _walk_unknown(child, known, f"{path}.{name}" if path else name, unknown)
    elif kind.item is not None and kind.item.kind in (shape.STRUCT, shape.LIST, shape.MAP):
        if isinstance(value, list):
            for index, child in enumerate(value):
                _walk_unknown(child, kind.item, f"{path}[{index}]", unknown)
        elif isinstance(value, dict):
            for name, child in value.items():
                _walk_unknown(child, kind.item, f"{path}.{name}", unknown)


class NeedsFullCheck(Exception):
    """Something in a document needs the slower functions of this module."""


QuickCheck = Callable[[Any], int]
"""Gives the number of null times."""
NULL_TIME = "creationTimestamp"


def quick_check(value: Any, kind: Shape) -> int:
    """Number of structs in a decoded document in which NULL_TIME is null.

    NeedsFullCheck when a field is unknown, or a value is one that the decoder takes though Go does not (a quantity that is none, a
    number beyond its bits). One walk for what nearly every document needs, by functions that are made once a type.
    """
    return _quick_check_of(kind)(value)


def without_null_times(data: bytes) -> tuple[bytes, int]:
    """JSON text without the null that Go's clients write for a time that is not set, and how often it was there.

    Only for text that parses as it came, and of which `quick_check` finds as many in structs: elsewhere null means something else.
    """
    count = 0
    for null, left in ((b'{"creationTimestamp":null,', b"{"), (b'{"creationTimestamp":null}', b"{}"), (b',"creationTimestamp":null', b"")):
        if null in data:
            count += data.count(null)
            data = data.replace(null, left)
    return data, count


def _quick_check_of(kind: Shape) -> QuickCheck:
    if kind.quick_check is None:
        kind.quick_check = QUICK_CHECKS.get(kind.kind, _check_scalar)(kind)
    return kind.quick_check


def _check_struct(kind: Shape) -> QuickCheck:
    known: dict[str, QuickCheck | None] = {}
    plain = _plain(kind)

    def look(value: Any) -> int:
        if plain.issuperset(value):
            return 0
        count = 0
        for name, child in value.items():
            if name not in known:
                known[name] = _check_field(kind, name)  # at first use: types may contain themselves
            below = known[name]
            if child is None:  # which the decoder has allowed: an absent field
                count += name == NULL_TIME
                if kind.fields[name].kind == shape.RAW:  # which the decoder has kept as it is
                    raise NeedsFullCheck
            elif below is not None:
                count += below(child)
        return count

    return look


def _check_field(kind: Shape, name: str) -> QuickCheck | None:
    field = kind.fields.get(name)
    if field is None:
        raise NeedsFullCheck
    return _quick_check_of(field) if field.checked else None


def _check_list(kind: Shape) -> QuickCheck:
    item = kind.item or shape.OPEN
    if not item.checked:
        return _check_nothing
    if item.kind == shape.STRUCT:
        return _check_structs(item)
    return lambda value: sum(map(_quick_check_of(item), value))


def _check_structs(item: Shape) -> QuickCheck:
    """A list of structs, most of which have only fields that need no look (variables, ports): those are seen at one glance."""
    plain = _plain(item)
    return lambda value: 0 if plain.issuperset(chain.from_iterable(value)) else sum(map(_quick_check_of(item), value))


def _plain(kind: Shape) -> frozenset[str]:
    """The fields of a struct that need no look."""
    return frozenset(name for name, field in kind.fields.items() if not field.checked)


def _check_map(kind: Shape) -> QuickCheck:
    item = kind.item or shape.OPEN
    if not item.checked:
        return _check_nothing

    def look(value: Any) -> int:
        if NULL_TIME in value:  # no field here: its null has been dropped in vain
            raise NeedsFullCheck
        return sum(map(_quick_check_of(item), value.values()))

    return look


def _check_nothing(value: Any) -> int:
    return 0


def _check_integer(kind: Shape) -> QuickCheck:
    fitting = INT64 if kind.go == "int64" else INT32

    def look(value: Any) -> int:
        if type(value) is not int or value not in fitting:  # a range would look for 1.0 number by number
            raise NeedsFullCheck
        return 0

    return look


def _check_quantity(kind: Shape) -> QuickCheck:
    def look(value: Any) -> int:
        try:
            quantity.parse(value)
        except ValueError as error:
            raise NeedsFullCheck from error
        return 0

    return look


def _check_string(kind: Shape) -> QuickCheck:
    if kind.octets:
        return _check_octets
    if not kind.time:
        return _check_scalar(kind)

    def look(value: Any) -> int:
        if not _is_plain_time(value, kind.micro):
            raise NeedsFullCheck
        return 0

    return look


@remember(TIMES_REMEMBERED)
def _is_plain_time(value: str, micro: bool) -> bool:
    """Whether a time is one, as the API writes it. Documents that come back bear the same few again and again."""
    return time.canonical(value, micro=micro) == value and not time.parse_error(value)


def _check_octets(value: Any) -> int:
    if octets.canonical(value) != value or octets.parse_error(value):
        raise NeedsFullCheck
    return 0


def _check_scalar(kind: Shape) -> QuickCheck:
    def look(value: Any) -> int:
        if _scalar_error(value, kind, "", ""):
            raise NeedsFullCheck
        return 0

    return look


QUICK_CHECKS: dict[str, Callable[[Shape], QuickCheck]] = {
    shape.STRUCT: _check_struct,
    shape.LIST: _check_list,
    shape.MAP: _check_map,
    shape.INTEGER: _check_integer,
    shape.QUANTITY: _check_quantity,
    shape.STRING: _check_string,
    shape.ANY: lambda kind: _check_nothing,
    shape.RAW: lambda kind: _check_nothing,
}


def surely_unique(data: bytes, parsed: Any) -> bool:
    """Whether duplicate keys can be ruled out: the text is just how `parsed` is written, or as many keys are in it.

    Programs write compact JSON, and writing it again takes a fraction of the time that searching it does.
    """
    try:
        written = orjson.dumps(parsed)
    except TypeError:  # nested deeper than it writes
        return False
    if data == written or (data.endswith(b"\n") and data[:-1] == written):
        return True
    if data.count(b'":') != written.count(b'":') or QUOTE in data:
        return False
    return not any(pair in data for pair in QUOTE_AND_SPACE) or not SPACED_COLON.search(data)


def unknown_and_duplicate_fields(data: bytes, kind: Shape) -> list[str]:
    """Upstream's words for the fields of the JSON text `data` that the type does not have, and for the keys that occur twice in one map."""
    problems: dict[str, None] = {}
    text = data.decode(errors="replace")  # as the parser of values has it; numbers are none of this function's business
    _walk_pairs(json.loads(text, object_pairs_hook=_Pairs, parse_int=str, parse_float=str), kind, "", problems)
    return list(problems)[:LIMIT]


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object as they were written."""


def _walk_pairs(value: Any, kind: Shape, path: str, problems: dict[str, None]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for name, child in value:
            below = f"{path}.{name}" if path else name
            known = kind.fields.get(name) if kind.kind == shape.STRUCT else kind.item or shape.OPEN
            if known is None:  # what is in it, and how often it is there, no longer matters
                problems[f'unknown field "{below}"'] = None
                continue
            if name in seen:
                problems[f'duplicate field "{below}"'] = None
            seen.add(name)
            _walk_pairs(child, known, below, problems)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            _walk_pairs(child, kind.item or shape.OPEN, f"{path}[{index}]", problems)


def without_nulls(value: Any, kind: Shape) -> Any:
    """A copy of `value` as Go's decoder leaves it: null is absent (fields) or zero (items), unknown fields go, times are in UTC."""
    if kind.kind == shape.RAW:
        if isinstance(value, msgspec.Raw):
            return value
        return rawextension.of_value(value) if kind.go == shape.EXTENSION else msgspec.Raw(orjson.dumps(value))
    if isinstance(value, dict):
        if kind.kind == shape.STRUCT:
            fields = kind.fields
            return {name: without_nulls(child, fields[name]) for name, child in value.items() if child is not None and name in fields}
        return value if kind.item is None else {name: _item(item, kind.item) for name, item in value.items()}
    if isinstance(value, list) and kind.item is not None:
        return [_item(item, kind.item) for item in value]
    if not isinstance(value, str):
        return value
    if kind.octets:
        return octets.canonical(value)
    return time.canonical(value, micro=kind.micro) if kind.time else value


ZEROS = {
    shape.STRING: "", shape.INTEGER: 0, shape.BOOLEAN: False, shape.NUMBER: 0, shape.QUANTITY: "0", shape.INT_OR_STRING: 0,
    shape.STRUCT: {}, shape.LIST: [], shape.MAP: {}, shape.ANY: None, shape.RAW: {},
}  # fmt: skip


def _item(value: Any, kind: Shape) -> Any:
    return without_nulls(ZEROS[kind.kind] if value is None else value, kind)


def type_error(value: Any, kind: Shape, *, owner: str = "", path: str = "") -> str:
    """Go's words for the first value that does not fit, in the order of the document; "" when all fit."""
    if value is None or kind.kind in (shape.ANY, shape.RAW):
        return ""
    if kind.kind == shape.STRUCT and isinstance(value, dict):
        below = ((name, kind.fields.get(name), child) for name, child in value.items())
        texts = (type_error(child, known, owner=kind.name, path=_go_path(kind, path, name)) for name, known, child in below if known)
        return next(filter(None, texts), "")
    if kind.item is not None and isinstance(value, list if kind.kind == shape.LIST else dict):
        items = value if isinstance(value, list) else value.values()
        return next(filter(None, (type_error(item, kind.item, owner=owner, path=path) for item in items)), "")
    return _scalar_error(value, kind, owner, path)


def _go_path(kind: Shape, path: str, name: str) -> str:
    """The path of a field as Go's decoder says it: embedded structs are steps of it."""
    return ".".join(filter(None, (path, kind.embedded.get(name, ""), name)))


def _scalar_error(value: Any, kind: Shape, owner: str, path: str) -> str:
    if kind.kind == shape.QUANTITY:
        return _quantity_error(value)
    if kind.kind == shape.INT_OR_STRING:
        fits = isinstance(value, str) or (_is_integer(value) and value in INT32)
        return "" if fits else f"json: cannot unmarshal {described(value)} into Go value of type int32"
    if kind.octets and isinstance(value, str):
        return octets.parse_error(value)
    if kind.time and isinstance(value, str):
        return time.parse_error(value, micro=kind.micro)
    fitting = {
        shape.STRING: isinstance(value, str),
        shape.BOOLEAN: isinstance(value, bool),
        shape.INTEGER: _is_integer(value) and value in (INT64 if kind.go == "int64" else INT32),
        shape.NUMBER: isinstance(value, (int, float)) and not isinstance(value, bool),
    }
    if fitting.get(kind.kind, False):
        return ""
    shown = f"number {_literal(value)}" if kind.kind == shape.INTEGER and described(value) == "number" else described(value)
    if not path:
        return f"json: cannot unmarshal {shown} into Go value of type {kind.named or kind.go}"
    return f"json: cannot unmarshal {shown} into Go struct field {owner}.{path} of type {kind.named or kind.go}"


def _literal(value: Any) -> str:
    """A number as Go's encoder writes it: its decoder's complaints show what was sent."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else str(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _quantity_error(value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        return quantity.FORMAT_MESSAGE
    try:
        quantity.parse(value)
    except ValueError as error:
        return str(error)
    return ""


def described(value: Any) -> str:
    """Name of a JSON value's type in Go's decoding errors."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "object" if isinstance(value, dict) else "null"
