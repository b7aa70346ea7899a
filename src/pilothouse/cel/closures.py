"""Closures that evaluate the nodes of a planned expression, one function for each kind of node. planning.py chooses among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.cel import attributes
from pilothouse.cel.errors import ABORTS, EvaluationError
from pilothouse.cel.frames import UNSET, Frame, Run
from pilothouse.cel.shown import shown
from pilothouse.cel.types import ObjectType
from pilothouse.cel.values import NUMBERS, Optional, type_name

LIST_COST, MAP_COST, STRUCT_COST = 10, 30, 40


def discounted(run: Run) -> Run:
    """`has()` of a conditional: cel-go subtracts one for the start of the attribute, which it never charged."""

    def discounted(frame: Frame) -> Any:
        frame.cost -= 1
        return run(frame)

    return discounted


def accumulator(slot: int, initial: Run) -> Run:
    """The accumulator of a comprehension; its initial value is computed at first use, as in cel-go."""

    def run(frame: Frame) -> Any:
        value = frame.locals[slot]
        if value is UNSET:
            value = frame.locals[slot] = initial(frame)
        return value

    return run


def variable(index: int) -> Run:
    """A variable of the activation, by its index."""

    def run(frame: Frame) -> Any:
        value = frame.values[index]
        return frame.fetch(index) if value is UNSET else value

    return run


def logic(left: Run, right: Run, *, decisive: bool) -> Run:
    """`&&` and `||`: an operand that decides wins over an error of the other one. `decisive` is the value that decides."""

    def run(frame: Frame) -> Any:
        failure: EvaluationError | None = None
        for operand in (left, right):
            try:
                value = operand(frame)
            except ABORTS:
                raise
            except EvaluationError as error:
                failure = failure or error
                continue
            if value is decisive:
                return decisive
            if value is not (not decisive):
                failure = failure or EvaluationError("no such overload")
        if failure is not None:
            raise failure
        return not decisive

    return run


def alternative(left: Run, right: Run, *, unwrap: bool) -> Run:
    """`or` and `orValue` of an optional value; `unwrap` for `orValue`."""

    def run(frame: Frame) -> Any:
        value = left(frame)
        if type(value) is not Optional:
            raise EvaluationError("no such overload")
        if not value.present:
            return right(frame)
        return value.value if unwrap else value

    return run


def member_set(values: Any) -> frozenset[Any] | None:
    """The set of a list of constants, with bools apart from numbers; None when the list has other types."""
    if not all(type(value) in NUMBERS or type(value) in (str, bool) for value in values):
        return None
    return frozenset((type(value) is bool, value) for value in values if value == value)


def in_set(operand: Run, members: frozenset[Any]) -> Run:
    """Membership in a list of constants."""

    def run(frame: Frame) -> Any:
        value = operand(frame)
        try:
            return (type(value) is bool, value) in members
        except TypeError:
            return False

    return run


def list_literal(elements: list[Run], optional: frozenset[int]) -> Run:
    """A list literal; `optional` has the indexes of optional elements."""
    if not optional:

        def run(frame: Frame) -> Any:
            try:
                return [element(frame) for element in elements]
            finally:
                frame.cost += LIST_COST

        return run

    def run_optional(frame: Frame) -> Any:
        frame.cost += LIST_COST
        values: list[Any] = []
        for index, element in enumerate(elements):
            value = element(frame)
            if index in optional:
                if type(value) is not Optional:
                    raise EvaluationError(f"cannot initialize optional list element from non-optional value {shown(value)}")
                if not value.present:
                    continue
                value = value.value
            values.append(value)
        return values

    return run_optional


def _unwrapped(key: Any, value: Any) -> Any:
    """The value of an entry behind a question mark, or ABSENT."""
    if type(value) is not Optional:
        raise EvaluationError(f"cannot initialize optional entry '{shown(key)}' from non-optional value {shown(value)}")
    return value.value if value.present else attributes.ABSENT


def map_literal(entries: list[tuple[Run, Run, bool]]) -> Run:
    """A map literal of (key, value, whether the entry is optional)."""

    def run(frame: Frame) -> Any:
        frame.cost += MAP_COST
        made: dict[Any, Any] = {}
        for key_of, value_of, optional in entries:
            key = key_of(frame)
            value = value_of(frame)
            if optional:
                value = _unwrapped(key, value)
                if value is attributes.ABSENT:
                    made = {known: item for known, item in made.items() if known != key}
                    continue
            try:
                made[key] = value
            except TypeError:
                raise EvaluationError(f"unsupported key type: {type_name(key)}") from None
        return made

    return run


def struct_literal(made: ObjectType, fields: list[tuple[str, Run, bool]]) -> Run:
    """A struct literal of (field name, value, whether the field is optional)."""

    def run(frame: Frame) -> Any:
        frame.cost += STRUCT_COST
        values: dict[str, Any] = {}
        for name, value_of, optional in fields:
            value = value_of(frame)
            if optional:
                value = _unwrapped(name, value)
                if value is attributes.ABSENT:
                    continue
            values[made.properties.get(name, name)] = value
        return values if made.construct is None else made.construct(values)

    return run


def map_insertion(arguments: list[Run]) -> Callable[[Frame, Any], None]:
    """The step of a comprehension that inserts a key with its value, or all entries of a map, into the accumulated map."""

    def add(frame: Frame, collected: Any) -> None:
        frame.cost += 2
        values = [argument(frame) for argument in arguments]
        entries = values[0].items() if len(values) == 1 and isinstance(values[0], dict) else [tuple(values)]
        for key, value in entries:
            if key in collected:
                raise EvaluationError(f"insert failed: key {shown(key)} already exists")
            collected[key] = value

    return add
