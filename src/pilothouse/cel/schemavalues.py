"""Conversion of JSON to values of a schema (`Type.convert`). Converted values are kept.

A list that its schema calls a set or a map, and an object that has one (or a time) in it, compare as the schema says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.escaping import escape
from pilothouse.cel.types import Type
from pilothouse.cel.values import Duration, Timestamp, TypedList, TypedMap, equal
from pilothouse.machinery import strfmt

Convert = Callable[[Any], Any]
DUPLICATE_FREE = "listSet operations are only supported on lists of scalar values"


def to_double(value: Any) -> Any:
    """A number, which JSON may have written without a point."""
    return value * 1.0 if type(value) is int else value


def to_bytes(value: Any) -> Any:
    """The octets of a text of format `byte`."""
    return _parsed(value, "byte formatted string", strfmt.parse_base64)


def to_duration(value: Any) -> Any:
    """The duration of a text of format `duration`."""
    return _parsed(value, "duration", lambda text: Duration(strfmt.parse_duration(text)))


def to_date(value: Any) -> Any:
    """The start of the day of a text of format `date`."""
    return _parsed(value, "date formatted string", lambda text: Timestamp(strfmt.parse_date(text)))


def to_timestamp(value: Any) -> Any:
    """The time of a text of format `date-time`."""
    return _parsed(value, "date-time formatted string", lambda text: Timestamp(*strfmt.parse_date_time(text)))


def _parsed(value: Any, what: str, parse: Callable[[str], Any]) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ValueError as fault:
        raise EvaluationError(f"Invalid {what} {value}: {fault}") from None


def list_conversion(item: Type, list_type: str | None, keys: Sequence[str]) -> Convert | None:
    """Conversion of a list; None where none is needed."""
    if list_type == "set":
        return lambda value: SetList(_items(value, item)) if type(value) is list else value
    if list_type == "map":
        escaped = tuple(escape(key) or key for key in keys)
        return lambda value: MapList(_items(value, item), escaped) if type(value) is list else value
    return (lambda value: _items(value, item) if type(value) is list else value) if item.convert is not None else None


def _items(value: Iterable[Any], item: Type) -> list[Any]:
    return list(value) if item.convert is None else [item.convert(element) for element in value]


def map_conversion(item: Type) -> Convert | None:
    """Conversion of a map; None where none is needed."""
    convert = item.convert
    if convert is None:
        return None
    return lambda value: {key: convert(element) for key, element in value.items()} if type(value) is dict else value


def object_conversion(fields: Any) -> Convert | None:
    """Conversion of an object; None unless a field compares differently from its JSON."""
    special = {fields.written.get(name, name): made for name, made in fields.items() if made.convert is not None}
    if not special:
        return None

    def convert(value: Any) -> Any:
        if type(value) is not dict:
            return value
        made = ObjectMap(value)
        made.fields = special
        return made

    return convert


class ObjectMap(TypedMap):
    """A JSON object that converts fields on access."""

    __slots__ = ("fields",)

    fields: Mapping[str, Type]
    """By their names in JSON. Set after the map is made: that costs half of what a constructor would, and every object is made so."""

    def equals(self, other: dict[Any, Any]) -> bool:
        """Field by field, each as its type compares."""
        if len(self) != len(other):
            return False
        return all(name in other and self._same(name, value, other[name]) for name, value in self.items())

    def _same(self, name: str, left: Any, right: Any) -> bool:
        convert = self.fields[name].convert if name in self.fields else None
        return equal(convert(left), convert(right)) if convert is not None else equal(left, right)


class SetList(TypedList):
    """A list of `x-kubernetes-list-type: set`: order does not count, `+` is the union."""

    __slots__ = ()

    def equals(self, other: list[Any]) -> bool:
        """Whether both have the same elements."""
        if len(self) != len(other):
            return False
        return set(map(_element_key, self)) == set(map(_element_key, other))

    def plus(self, other: list[Any]) -> list[Any]:
        """The elements of both, those of the first in their places."""
        known = dict.fromkeys(map(_element_key, self))
        added: list[Any] = []
        for element in other:
            key = _element_key(element)
            if key not in known:
                known[key] = None
                added.append(element)
        return SetList([*self, *added])


def _element_key(element: Any) -> tuple[type, Any]:
    if isinstance(element, list | dict):
        raise EvaluationError(DUPLICATE_FREE)
    return type(element), element


class MapList(TypedList):
    """A list of `x-kubernetes-list-type: map`: order does not count, `+` merges elements of one key."""

    __slots__ = ("_keys",)

    def __init__(self, elements: Iterable[Any], keys: tuple[str, ...]) -> None:
        super().__init__(elements)
        self._keys = keys

    def _key(self, element: Any) -> tuple[Any, ...]:
        """The key of an element. Upstream looks for escaped names in the object, so that a key with a dash is never found."""
        if not isinstance(element, dict):
            return (id(element),)
        return tuple((type(part), part) for part in (element.get(key) for key in self._keys) if not isinstance(part, list | dict))

    def equals(self, other: list[Any]) -> bool:
        """Whether both have equal elements for the same keys."""
        if len(self) != len(other):
            return False
        mine = {self._key(element): element for element in self}
        seen: set[tuple[Any, ...]] = set()
        for element in other:
            key = self._key(element)
            if key not in mine or not equal(mine[key], element):
                return False
            seen.add(key)
        return len(seen) == len(mine)

    def plus(self, other: list[Any]) -> list[Any]:
        """The elements of both: one of the second takes the place of one of the same key."""
        elements = list(self)
        places = {self._key(element): place for place, element in enumerate(elements)}
        for element in other:
            place = places.get(self._key(element))
            if place is None:
                elements.append(element)
            else:
                elements[place] = element
        return MapList(elements, self._keys)
