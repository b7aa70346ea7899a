"""Typed values: validation, and the set of all fields (structured-merge-diff's typed package).

- `complaint` is upstream's text for a value that does not fit. What has no type of its own (quantities, times, ports that may be names) is
  taken as it comes: the decoder judges it later.
- `field_set` has a path for every leaf, every item of a list that merges, every null and every empty map.
- `ABSENT` is a value that is not there; None is JSON's null, which is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pilothouse.machinery import fieldset
from pilothouse.machinery.fieldset import Fields, Path
from pilothouse.machinery.patch.document import go_text
from pilothouse.machinery.patch.schema import BOOLEAN, MAP, NUMERIC, STRING, Type
from pilothouse.machinery.quoting import go_quoted

Problem = tuple[str, str]


class NoElement(ValueError):
    """An item of a list that merges cannot be told from others: the value does not fit its schema."""


@dataclass(frozen=True, slots=True)
class NoJson:
    """A value that is none of JSON's, with what Go prints of it by %v, %#v and %T: it fits no scalar, list or map."""

    text: str
    syntax: str
    go_type: str

    def __str__(self) -> str:
        return self.text


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


def form(kind: Type, value: Any) -> str:
    """The form of the type that a value takes: "map", "scalar" or "list"; the first one for null and other values."""
    if kind.form:
        return kind.form
    if isinstance(value, dict):
        if kind.is_map:
            return "map"
    elif isinstance(value, list):
        if kind.items is not None:
            return "list"
    elif value is not None and value is not ABSENT and kind.scalar:
        return "scalar"
    return "map" if kind.is_map else "scalar" if kind.scalar else "list"


def is_empty(value: Any) -> bool:
    """Whether a map or list is absent, null, empty, or no such thing."""
    return not value or not isinstance(value, (dict, list))


def json_equal(left: Any, other: Any) -> bool:
    """Equality as JSON has it: 1 is 1.0, but not true."""
    if isinstance(left, dict):
        return (
            isinstance(other, dict) and left.keys() == other.keys() and all(json_equal(value, other[name]) for name, value in left.items())
        )
    if isinstance(left, list):
        return isinstance(other, list) and len(left) == len(other) and all(map(json_equal, left, other))
    return bool(left == other) and isinstance(left, bool) == isinstance(other, bool)


def item_element(kind: Type, item: Any) -> str:
    """The path element of an item of a list that merges; NoElement in upstream's words when it has none."""
    if kind.list_type != MAP:
        return _set_element(item)
    if item is None:
        raise NoElement("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise NoElement("associative list with keys may not have non-map elements")
    keys = kind.keys
    if len(keys) == 1:
        value = item.get(keys[0], ABSENT)
        if type(value) is str:
            return fieldset.name_element(keys[0], value)
    assert kind.items is not None
    values = {key: item[key] if key in item else kind.items.defaults.get(key) for key in keys}
    values = {key: value for key, value in values.items() if value is not None or key in item}
    if not values:
        text = f"associative list with keys has an element that omits all key fields [{' '.join(map(go_quoted, keys))}]"
        raise NoElement(f"{text} (and doesn't have default values for any key fields)")
    return f"k:{fieldset.compact(values)}"


def _set_element(item: Any) -> str:
    if isinstance(item, NoJson):
        return "v:{{undefined}}"
    if isinstance(item, dict):
        raise NoElement("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise NoElement("not supported: associative list with lists as elements")
    if item is None:
        raise NoElement("associative list without keys has an element that's an explicit null")
    return f"v:{fieldset.compact(item)}"


def child(kind: Type, name: str) -> Type | None:
    """The type of a map's member."""
    return kind.fields.get(name) or kind.values


def field_set(value: Any, kind: Type) -> Fields:
    """Every field that a value names. The value must fit its type."""
    paths: list[Path] = []
    _collect(value, kind, (), paths)
    return frozenset(paths)


def _collect(value: Any, kind: Type, path: Path, paths: list[Path]) -> None:
    match form(kind, value):
        case "scalar":
            paths.append(path)
        case "list":
            if not kind.is_associative:
                paths.append(path)
            elif isinstance(value, list):
                _collect_items(value, kind, path, paths)
        case _:
            if kind.is_atomic:
                paths.append(path)
            elif isinstance(value, dict):
                _collect_members(value, kind, path, paths)


def _collect_items(items: list[Any], kind: Type, path: Path, paths: list[Path]) -> None:
    assert kind.items is not None
    elements = [item_element(kind, item) for item in items]
    for element, item in zip(elements, items, strict=True):
        below = (*path, element)
        if len(items) == 1 or elements.count(element) == 1:
            _collect(item, kind.items, below, paths)
        paths.append(below)


def _collect_members(members: dict[str, Any], kind: Type, path: Path, paths: list[Path]) -> None:
    fields, values = kind.fields, kind.values
    for name, value in members.items():
        below = (*path, f"f:{name}")
        known = fields.get(name)
        if known is None and values is None:
            continue
        _collect(value, known or values, below, paths)  # type: ignore[arg-type]
        if value is None or value == {} or known is None:
            paths.append(below)


def complaint(value: Any, kind: Type, *, allow_duplicates: bool = False) -> str:
    """All validation errors of a value as one text; "" when it is valid."""
    problems = [f"{path}: {text}" if path else text for path, text in _Validation(allow_duplicates).value(value, kind, "")]
    if len(problems) < 2:
        return problems[0] if problems else ""
    return "\n  ".join(["errors:", *problems])


class _Validation:
    def __init__(self, allow_duplicates: bool) -> None:
        self.allow_duplicates = allow_duplicates

    def value(self, value: Any, kind: Type, path: str) -> Iterator[Problem]:
        if value is None:
            return
        match form(kind, value):
            case "scalar":
                if text := scalar_error(value, kind.scalar):
                    yield path, text
            case "list":
                yield from self._list(value, kind, path)
            case _:
                yield from self._map(value, kind, path)

    def _list(self, value: Any, kind: Type, path: str) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield path, f"expected list, got &{{{go_text(value)}}}"
            return
        assert kind.items is not None
        seen: set[str] = set()
        for index, item in enumerate(value):
            shown = f"[{index}]"
            if kind.is_associative:
                try:
                    element = item_element(kind, item)
                except NoElement as error:
                    yield path, f"element {index}: {error}"
                    return
                shown = fieldset.shown_element(element)
                if element in seen and not self.allow_duplicates:
                    yield path, f"duplicate entries for key {shown}"
                seen.add(element)
            yield from self.value(item, kind.items, path + shown)

    def _map(self, value: Any, kind: Type, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield path, f"expected map, got &{{{go_text(value)}}}"
            return
        for name, member in value.items():
            below = child(kind, name)
            if below is None:  # upstream looks no further in this map
                yield f"{path}.{name}", "field not declared in schema"
                return
            yield from self.value(member, below, f"{path}.{name}")


def scalar_error(value: Any, scalar: str) -> str:
    """Validation error of a scalar; "" when it is valid."""
    is_text, is_flag = isinstance(value, str), isinstance(value, bool)
    is_number = isinstance(value, (int, float)) and not is_flag
    if scalar == NUMERIC and not is_number:
        return f"expected numeric (int or float), got {_go_type(value)}"
    if scalar == STRING and not is_text:
        return f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    if scalar == BOOLEAN and not is_flag:
        return f"expected boolean, got &{{{go_text(value)}}}"
    if not (is_text or is_flag or is_number):
        return f"expected any scalar, got &{{{go_text(value)}}}"
    return ""


def _go_syntax(value: Any) -> str:
    """A value as Go's %#v prints what JSON was read into."""
    if isinstance(value, str):
        return go_quoted(value)
    if isinstance(value, dict):
        members = ", ".join(f"{go_quoted(name)}:{_go_syntax(value[name])}" for name in sorted(value))
        return f"map[string]interface {{}}{{{members}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    return value.syntax if isinstance(value, NoJson) else go_text(value)


def _go_type(value: Any) -> str:
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    if isinstance(value, NoJson):
        return value.go_type
    return "bool" if isinstance(value, bool) else "string"
