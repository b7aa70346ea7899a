"""Attributes: a variable or a value with selections and indexes on it, compiled together.

cel-go charges 1 for the beginning and 1 for each selection that is made (also for one that fails); the beginning costs nothing where an
attribute is a branch of `?:`, an index, or in `has()`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.frames import UNSET, Frame, Run
from pilothouse.cel.shown import shown
from pilothouse.cel.values import GREATEST_INT, LEAST_INT, NONE, Optional, Uint, go_name, type_name

ABSENT: Any = object()


def missing_key(key: Any) -> EvaluationError:
    """cel-go's error for a missing field or key."""
    return EvaluationError(f"no such key: {shown(key)}")


def check_key(key: Any) -> None:
    """An error for a key that no list or map can have."""
    if type(key) not in _KEYS:
        raise EvaluationError(f"invalid qualifier type: {go_name(key)}")


_KEYS = frozenset((str, int, Uint, float, bool))


def find(container: Any, key: Any) -> Any:
    """Value of a key in a map, list or lazy object, or ABSENT; an error for an index of a wrong type."""
    if isinstance(container, dict):
        return _find_key(container, key)
    if isinstance(container, list):
        index = list_index(key)
        return container[index] if 0 <= index < len(container) else ABSENT
    lazy = getattr(container, "cel_find", None)
    if lazy is None:
        return ABSENT
    try:
        return lazy(key)
    except KeyError:
        return ABSENT


def _find_key(container: dict[Any, Any], key: Any) -> Any:
    try:
        value = container.get(key, ABSENT)
    except TypeError:
        return ABSENT
    if type(key) is bool and value is not ABSENT and not any(other is key for other in container):
        return ABSENT
    return value


def list_index(key: Any) -> int:
    """An index as a whole number, from any numeric type that has one."""
    kind = type(key)
    if kind is int:
        return int.__int__(key)
    if kind is Uint and key <= GREATEST_INT:
        return int.__int__(key)
    if kind is float and key.is_integer() and LEAST_INT <= key <= GREATEST_INT:
        return int.__int__(key.__trunc__())
    if kind in (float, Uint):
        raise EvaluationError(f"unsupported index value {shown(key)} in list")
    raise EvaluationError(f"unsupported index type '{type_name(key)}' in list")


@dataclass(frozen=True, slots=True)
class Qualifier:
    """One selection: by a constant `key`, or by the value of `dynamic`.

    `convert` makes the CEL value of a field of a schema; `of_object` is a field of an object, where null counts as absent.
    """

    key: Any = None
    dynamic: Run | None = None
    convert: Callable[[Any], Any] | None = None
    optional: bool = False
    test_only: bool = False
    of_object: bool = False
    name: Any = None
    """What messages call the field, where that is not the key."""

    @property
    def is_plain(self) -> bool:
        """Whether it always gives a value or an error, by a constant."""
        return not (self.dynamic or self.optional or self.test_only)

    def key_for(self, frame: Frame) -> Any:
        """The key to select by."""
        if self.dynamic is None:
            return self.key
        key = self.dynamic(frame)
        if type(key) not in _KEYS:
            check_key(key)
        return key

    def missing(self, container: Any) -> EvaluationError:
        """Error when the container does not have the key."""
        if isinstance(container, list):
            return EvaluationError(f"index out of bounds: {shown(self.key)}")
        return missing_key(self.key if self.name is None else self.name)

    def search(self, frame: Frame, container: Any) -> Any:
        """The selected value or ABSENT. Its cost is the caller's matter."""
        value = find(container, self.key_for(frame))
        if value is None and self.of_object:
            return ABSENT
        if self.convert is not None and value is not None and value is not ABSENT:
            return self.convert(value)
        return value


@dataclass(slots=True)
class Attribute:
    """A beginning (`start`, which charges nothing for itself) and qualifiers; or a condition with an attribute for each outcome."""

    start: Run | None
    qualifiers: list[Qualifier] = field(default_factory=list)
    condition: Run | None = None
    branches: tuple[Attribute, ...] = ()
    place: tuple[str, int] | None = None
    """Where a frame holds the beginning: ("locals", slot) or ("values", index)."""

    def add(self, qualifier: Qualifier) -> None:
        """Select from what it gives so far."""
        for branch in self.branches:
            branch.add(qualifier)
        if not self.branches:
            self.qualifiers.append(qualifier)

    def resolve(self) -> Run:
        """Its value without the charge for the beginning."""
        if self.condition is not None:
            return _conditional(self.condition, self.branches[0].resolve(), self.branches[1].resolve())
        return self._compiled(0)

    def run(self) -> Run:
        """Its value with that charge, which conditions do not have."""
        if self.condition is not None:
            return self.resolve()
        return self._compiled(1)

    def _compiled(self, charge: int) -> Run:
        assert self.start is not None
        qualifiers = self.qualifiers
        general = _qualified(self.start, qualifiers, charge) if qualifiers else _begun(self.start, charge)
        if self.place is not None and all(qualifier.is_plain and type(qualifier.key) is not bool for qualifier in qualifiers):
            fast = _FAST[self.place[0]].get(len(qualifiers))
            if fast is not None:
                return fast(self.place[1], qualifiers, charge, general)
        return general


def _begun(start: Run, charge: int) -> Run:
    if not charge:
        return start

    def run(frame: Frame) -> Any:
        frame.cost += charge
        return start(frame)

    return run


def _conditional(condition: Run, then: Run, otherwise: Run) -> Run:
    def run(frame: Frame) -> Any:
        chosen = condition(frame)
        if chosen is True:
            return then(frame)
        if chosen is False:
            return otherwise(frame)
        raise EvaluationError("no such overload")

    return run


# The fast ways: names and one or two fields of dicts, without a call for each. Whatever else it is goes the general way.


def _local(slot: int, _: list[Qualifier], charge: int, general: Run) -> Run:
    def run(frame: Frame) -> Any:
        frame.cost += charge
        return frame.locals[slot]

    return run


def _global(index: int, _: list[Qualifier], charge: int, general: Run) -> Run:
    def run(frame: Frame) -> Any:
        value = frame.values[index]
        if value is UNSET:
            return general(frame)
        frame.cost += charge
        return value

    return run


def _local_field(slot: int, qualifiers: list[Qualifier], charge: int, general: Run) -> Run:
    key, convert, charged = qualifiers[0].key, qualifiers[0].convert, charge + 1

    def run(frame: Frame) -> Any:
        value = frame.locals[slot]
        if type(value) is not dict and not isinstance(value, dict):
            return general(frame)
        selected = value.get(key)
        if selected is None:
            return general(frame)
        frame.cost += charged
        return selected if convert is None else convert(selected)

    return run


def _global_field(index: int, qualifiers: list[Qualifier], charge: int, general: Run) -> Run:
    key, convert, charged = qualifiers[0].key, qualifiers[0].convert, charge + 1

    def run(frame: Frame) -> Any:
        value = frame.values[index]
        if type(value) is not dict and not isinstance(value, dict):
            return general(frame)
        selected = value.get(key)
        if selected is None:
            return general(frame)
        frame.cost += charged
        return selected if convert is None else convert(selected)

    return run


def _global_fields(index: int, qualifiers: list[Qualifier], charge: int, general: Run) -> Run:
    steps = [(qualifier.key, qualifier.convert) for qualifier in qualifiers]
    charged = charge + len(steps)

    def run(frame: Frame) -> Any:
        value = frame.values[index]
        for key, convert in steps:
            if type(value) is not dict and not isinstance(value, dict):
                return general(frame)
            value = value.get(key)
            if value is None:
                return general(frame)
            if convert is not None:
                value = convert(value)
        frame.cost += charged
        return value

    return run


_FAST: dict[str, dict[int, Callable[[int, list[Qualifier], int, Run], Run]]] = {
    "locals": {0: _local, 1: _local_field},
    "values": {0: _global, 1: _global_field, **dict.fromkeys((2, 3, 4, 5, 6), _global_fields)},
}


def _qualified(start: Run, qualifiers: list[Qualifier], charge: int) -> Run:
    def run(frame: Frame) -> Any:
        frame.cost += charge
        value = start(frame)
        if type(value) is Optional:
            return _of_optional(frame, value, qualifiers)
        return _select(frame, value, qualifiers, False)

    return run


def _of_optional(frame: Frame, value: Optional, qualifiers: list[Qualifier]) -> Any:
    return _select(frame, value.value, qualifiers, True) if value.present else _end_of_absent(qualifiers)


def _end_of_absent(qualifiers: list[Qualifier]) -> Any:
    return False if qualifiers[-1].test_only else NONE


def _select(frame: Frame, value: Any, qualifiers: list[Qualifier], optional: bool) -> Any:
    """Apply selections one after another; from the first optional one on, what is absent ends them with `optional.none()`."""
    for qualifier in qualifiers:
        optional = optional or qualifier.optional
        if qualifier.test_only:
            frame.cost += 1
            return qualifier.search(frame, value) is not ABSENT
        if optional:
            selected = qualifier.search(frame, value)
            if selected is ABSENT:
                return _end_of_absent(qualifiers)
            frame.cost += 1
            value = selected
            continue
        frame.cost += 1
        key = qualifier.key_for(frame)
        selected = find(value, key)
        if selected is ABSENT or (selected is None and qualifier.of_object):
            raise replace(qualifier, key=key).missing(value)
        value = selected
        if qualifier.convert is not None and value is not None:
            value = qualifier.convert(value)
    return Optional.of(value) if optional else value
