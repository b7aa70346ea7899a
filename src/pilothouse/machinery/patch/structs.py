"""Comparison of two structs of one kind, with the result of `comparing.compare` for their dicts, but faster.

Most updates change a few fields of one part (a status, a lease), and most fields are equal: structs tell that at once. What appears,
disappears or has no fixed form is encoded and left to `comparing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from operator import attrgetter, ne
from typing import Any, NamedTuple

import msgspec

from pilothouse.machinery import codec, fieldset
from pilothouse.machinery.fieldset import Path
from pilothouse.machinery.patch.comparing import Comparison, Walk
from pilothouse.machinery.patch.schema import MAP, Type, of_shape
from pilothouse.machinery.patch.typed import ABSENT
from pilothouse.machinery.shape import shape_of

ALWAYS = object()
"""Stands for the default of a field that is encoded whatever its value."""
UNRECORDED = frozenset({"managedFields", "resourceVersion"})
"""Fields of the metadata that no record of a write is about."""


class Member(NamedTuple):
    """A field of a struct: its name in JSON, its element in a path, its type, and the value that is not encoded."""

    name: str
    element: str
    kind: Type
    omitted: Any


class Members(NamedTuple):
    """The fields of a struct, and how to get all their values."""

    fields: tuple[Member, ...]
    values: Any


def compare(old: msgspec.Struct, new: msgspec.Struct) -> Comparison:
    """The difference of two objects of one kind, but for what their metadata says of the write itself."""
    walk = _StructWalk()
    walk.struct(old, new, ())
    return Comparison(frozenset(walk.added), frozenset(walk.modified), frozenset(walk.removed))


@cache
def members_of(kind: type[msgspec.Struct]) -> Members:
    """The fields of a class of structs; `values` is None where there is one field only, of which there would be no tuple."""
    types = of_shape(shape_of(kind)).fields
    skipped = UNRECORDED if kind.__name__ == "ObjectMeta" else frozenset()
    fields = [each for each in msgspec.structs.fields(kind) if each.encode_name not in skipped]
    members = tuple(Member(each.encode_name, f"f:{each.encode_name}", types[each.encode_name], _omitted(each)) for each in fields)
    return Members(members, attrgetter(*(each.name for each in fields)) if len(fields) > 1 else None)


def _omitted(field: msgspec.structs.FieldInfo) -> Any:
    return ALWAYS if field.default is msgspec.NODEFAULT else field.default


class _StructWalk(Walk):
    def struct(self, old: msgspec.Struct, new: msgspec.Struct, path: Path) -> None:
        members = members_of(type(old))
        if members.values is None:
            self._encoded(old, new, members.fields, path)
            return
        before, after = members.values(old), members.values(new)
        for index, differs in enumerate(map(ne, before, after)):
            if differs:
                self._member(members.fields[index], before[index], after[index], old, new, path)

    def _encoded(self, old: msgspec.Struct, new: msgspec.Struct, members: Sequence[Member], path: Path) -> None:
        """Compare fields in their JSON."""
        before, after = codec.to_dict(old), codec.to_dict(new)
        for member in members:
            other, value = before.get(member.name, ABSENT), after.get(member.name, ABSENT)
            if other is not ABSENT or value is not ABSENT:
                self.value(other, value, member.kind, (*path, member.element))

    def _member(self, member: Member, before: Any, after: Any, old: msgspec.Struct, new: msgspec.Struct, path: Path) -> None:
        kind = member.kind
        if kind.form == "scalar":
            self._scalar(member, before, after, (*path, member.element))
        elif not before or not after:
            self._encoded(old, new, (member,), path)
        elif (kind.is_atomic and kind.form == "map") or (kind.form == "list" and not kind.is_associative):
            self.modified.append((*path, member.element))
        elif kind.form == "map" and isinstance(before, msgspec.Struct):
            self.struct(before, after, (*path, member.element))
        elif kind.form == "map" and kind.values is not None and kind.values.form == "scalar":
            self._members(before, after, kind, (*path, member.element))
        elif not self._same_items(kind, before, after, (*path, member.element)):
            self._encoded(old, new, (member,), path)

    def _scalar(self, member: Member, before: Any, after: Any, path: Path) -> None:
        if before == member.omitted:
            self.added.append(path)
        elif after == member.omitted:
            self.removed.append(path)
        else:
            self.modified.append(path)

    def _same_items(self, kind: Type, before: Any, after: Any, path: Path) -> bool:
        """Compare two lists that have the same items in the same order, by their one key; whether they are such lists."""
        if kind.list_type != MAP or len(kind.keys) != 1 or len(before) != len(after) or not isinstance(before[0], msgspec.Struct):
            return False
        key = kind.keys[0]
        names: list[Any] = [getattr(item, key, None) for item in before]
        if names != [getattr(item, key, None) for item in after] or len(set(names)) != len(names):
            return False
        if not all(type(name) is str and name for name in names):
            return False
        for name, item, other in zip(names, before, after, strict=True):
            if item != other:
                self.struct(item, other, (*path, fieldset.name_element(key, name)))
        return True
