"""Attributes: a variable or a value with selections and indexes on it, compiled together.

cel-go charges 1 for the beginning and 1 for each selection that is made (also for one that fails); the beginning costs nothing where an
attribute is a branch of `?:`, an index, or in `has()`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.frames import Frame, Run
from pilothouse.cel.shown import shown
from pilothouse.cel.values import GREATEST_INT, LEAST_INT, NONE, Optional, Uint, type_name

ABSENT: Any = object()


def missing_key(key: Any) -> EvaluationError:
    """What cel-go says of a field or key that is not there."""
    return EvaluationError(f"no such key: {shown(key)}")


def find(container: Any, key: Any) -> Any:
    """What a map, a list or a lazy object has under a key, or ABSENT; an error for an index of a wrong type."""
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


def get(container: Any, key: Any) -> Any:
    """The same, with cel-go's error for what is absent."""
    value = find(container, key)
    if value is not ABSENT:
        return value
    if isinstance(container, list):
        raise EvaluationError(f"index out of bounds: {shown(key)}")
    raise missing_key(key)


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
    """One selection: by a constant `key`, or by what `dynamic` gives. `convert` makes the CEL value of a field of a schema."""

    key: Any = None
    dynamic: Run | None = None
    convert: Callable[[Any], Any] | None = None
    optional: bool = False
    test_only: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it always gives a value or an error, by a constant."""
        return not (self.dynamic or self.optional or self.test_only)

    def search(self, frame: Frame, container: Any) -> Any:
        """The selected value or ABSENT. Its cost is the caller's matter."""
        key = self.key if self.dynamic is None else self.dynamic(frame)
        value = find(container, key)
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
        assert self.start is not None
        if not self.qualifiers:
            return self.start
        if all(qualifier.is_plain for qualifier in self.qualifiers):
            return _fields(self.start, self.qualifiers)
        return _qualified(self.start, self.qualifiers)

    def run(self) -> Run:
        """Its value with that charge, which conditions do not have."""
        if self.condition is not None:
            return self.resolve()
        return _charged(self.resolve())


def _charged(resolve: Run) -> Run:
    def run(frame: Frame) -> Any:
        frame.cost += 1
        return resolve(frame)

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


def _fields(start: Run, qualifiers: list[Qualifier]) -> Run:
    if len(qualifiers) == 1:
        return _one_field(start, qualifiers[0])

    def run(frame: Frame) -> Any:
        value = start(frame)
        if type(value) is Optional:
            return _of_optional(frame, value, qualifiers)
        for qualifier in qualifiers:
            frame.cost += 1
            selected = find(value, qualifier.key)
            if selected is ABSENT:
                selected = get(value, qualifier.key)
            convert = qualifier.convert
            value = selected if convert is None or selected is None else convert(selected)
        return value

    return run


def _one_field(start: Run, qualifier: Qualifier) -> Run:
    key, convert = qualifier.key, qualifier.convert

    def run(frame: Frame) -> Any:
        value = start(frame)
        if type(value) is Optional:
            return _of_optional(frame, value, [qualifier])
        frame.cost += 1
        selected = get(value, key) if type(value) is not dict or type(key) is bool else value.get(key, ABSENT)
        if selected is ABSENT:
            raise missing_key(key)
        return selected if convert is None or selected is None else convert(selected)

    return run


def _qualified(start: Run, qualifiers: list[Qualifier]) -> Run:
    def run(frame: Frame) -> Any:
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
        key = qualifier.key if qualifier.dynamic is None else qualifier.dynamic(frame)
        value = get(value, key)
        if qualifier.convert is not None and value is not None:
            value = qualifier.convert(value)
    return Optional.of(value) if optional else value
