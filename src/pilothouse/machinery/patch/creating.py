"""FieldsV1 of new objects, cached for objects of equal structure.

A set of fields knows names and the keys of list items, no other values: so what was found of a part of an object (its spec, its metadata)
holds for every part with the same names. Three looks, each dearer than the one before: the same bytes, the same bytes but for values of
texts and numbers that are no keys, and the comparison of the part with one in which nothing is set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from pilothouse.machinery import fieldset
from pilothouse.machinery.codec import encode
from pilothouse.machinery.fieldset import Fields
from pilothouse.machinery.patch.comparing import compare
from pilothouse.machinery.patch.schema import Type
from pilothouse.machinery.patch.updater import Filter, Map

PARTS_REMEMBERED = 512
"""Of each kind, by bytes and by names."""


class CreatedFields:
    """Field sets of new objects of one kind. `empty` is an object in which nothing is set, `stripped` are fields without an owner."""

    def __init__(self, kind: Type, empty: Map, kept: Filter, stripped: Fields) -> None:
        self.kind, self.empty, self.kept, self.stripped = kind, empty, kept, stripped
        self._names = sorted(kind.fields.keys() - {"apiVersion", "kind"})
        self._maps = frozenset(name for name, field in kind.fields.items() if _has_only_scalars(field))
        self._by_bytes: dict[tuple[str, bytes], bytes] = {}
        self._by_names: dict[Any, bytes] = {}
        self._values = _value_pattern(_keys(kind, set()))

    def of(self, obj: Any) -> bytes:
        """The FieldsV1 of an object; NoElement when it does not fit its schema."""
        if not isinstance(obj, msgspec.Struct):
            return fieldset.encode(self.kept(compare(self.empty, orjson.loads(encode(obj)), self.kind).touched) - self.stripped)
        return b"{%b}" % b",".join([fragment for name in self._names if (fragment := self._part(name, getattr(obj, name, None), obj))])

    def _part(self, name: str, value: Any, obj: msgspec.Struct) -> bytes:
        """A member of the FieldsV1: `"f:spec":{...}`, or b"" when nobody owns anything in it."""
        if name == "metadata":
            return self._named((name, _names_of_metadata(value)), obj)
        if name in self._maps:
            return self._named((name, tuple(value)), obj) if value or name in self.empty else b""
        if value is None or isinstance(value, (str, int, float)):
            return self._named((name, value is None, bool(value)), obj)
        data = encode(value)
        known = self._by_bytes.get((name, data))
        if known is None:
            known = self._named((name, self._values.sub(rb'"\1":1', data)), obj)
            _remember(self._by_bytes, (name, data), known)
        return known

    def _named(self, key: tuple[Any, ...], obj: msgspec.Struct) -> bytes:
        known = self._by_names.get(key)
        if known is None:
            known = self._compared(key[0], orjson.loads(encode(obj)))
            _remember(self._by_names, key, known)
        return known

    def _compared(self, name: str, parts: Map) -> bytes:
        part = {name: parts[name]} if name in parts else {}
        base = {name: self.empty[name]} if name in self.empty else {}
        paths = self.kept(compare(base, part, self.kind).touched) - self.stripped
        return fieldset.encode(paths)[1:-1]


def _remember(known: dict[Any, bytes], key: Any, fields: bytes) -> None:
    if len(known) >= PARTS_REMEMBERED:
        known.clear()
    known[key] = fields


def _has_only_scalars(kind: Type) -> bool:
    """Whether a field is a map whose set of fields is that of its keys."""
    values = kind.values
    return kind.is_map and not kind.is_atomic and not kind.fields and values is not None and bool(values.scalar) and not values.is_map


def _names_of_metadata(metadata: Any) -> Any:
    """What of the metadata its set of fields depends on."""
    if metadata.deletionTimestamp or metadata.deletionGracePeriodSeconds is not None or metadata.selfLink:
        return encode(metadata)
    owners = tuple([owner.uid for owner in metadata.ownerReferences])
    return tuple(metadata.annotations), tuple(metadata.finalizers), tuple(metadata.labels), owners, not metadata.generateName


def _keys(kind: Type, seen: set[int]) -> Iterator[str]:
    """The names of all fields that are keys of list items, below a type."""
    if id(kind) in seen:
        return
    seen.add(id(kind))
    yield from kind.keys
    for below in (*kind.fields.values(), kind.items, kind.values):
        if below is not None:
            yield from _keys(below, seen)


def _value_pattern(keys: Iterator[str]) -> re.Pattern[bytes]:
    """Texts and numbers of JSON objects, but for those of keys and for "" and 0, which may say that nothing is set."""
    excluded = "|".join(sorted({re.escape(f'{key}"') for key in keys}))
    head = f'"(?!{excluded})' if excluded else '"'
    return re.compile(rf'{head}([\w./-]+)":(?:"[^"\\]+"|-?(?:[1-9][0-9.]*|0[0-9.]+))'.encode())
