"""Compiled calls: arguments, the check of their types at run time where the checker could not know them, cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

from pilothouse.cel import types
from pilothouse.cel.declarations import Cost, Function, Overload
from pilothouse.cel.errors import ABORTS, EvaluationError, no_such_overload
from pilothouse.cel.frames import UNSET, Frame, Run
from pilothouse.cel.types import Type
from pilothouse.cel.values import equal, matches, size_of, type_name

Implementation = Callable[..., Any]
TRAVERSAL = 0.1
"""Cost of a character that is gone through once."""


def searched(arguments: Sequence[Any], result: Any) -> int:
    """Cost of `in` a list: one for each item."""
    return size_of(arguments[1])


def cost_of(function: Function, overloads: tuple[Overload, ...]) -> Cost | None:
    """Cost function of a call; None for a cost of 1. With several overloads only the function's cost counts, as in cel-go."""
    single = overloads[0].cost if len(overloads) == 1 else None
    return single or function.cost


def implementation(function: Function, overloads: tuple[Overload, ...], arguments: Sequence[Type]) -> Implementation:
    """Function to call: the overload if its types are certain, else a dispatch by values."""
    if len(overloads) == 1 and not any(map(_uncertain, arguments)) and overloads[0].call is not None:
        return overloads[0].call
    if function.dynamic is not None:
        return function.dynamic
    return _dispatching(function.name, overloads)


def _uncertain(argument: Type) -> bool:
    """Whether values of this type may be of another one at run time."""
    if argument.is_dyn or argument.nullable or argument.kind in (types.NULL_KIND, types.ERROR_KIND):
        return True
    return any(map(_uncertain, argument.parameters))


def _dispatching(name: str, overloads: tuple[Overload, ...]) -> Implementation:
    candidates = [(overload.parameters, overload.call) for overload in overloads if overload.call is not None]

    def call(*arguments: Any) -> Any:
        for parameters, implementation in candidates:
            if len(parameters) == len(arguments) and all(map(matches, parameters, arguments)):
                return implementation(*arguments)
        raise no_such_overload(name, *map(type_name, arguments))

    return call


def call_of(call: Implementation, arguments: Sequence[Run], cost: Cost | None, constant: Any = UNSET, *, in_order: bool = False) -> Run:
    """A call with its cost. `constant` is the second of two arguments where it is known.

    `in_order`: of two arguments too the second one is left alone when the first one failed, as cel-go does it with three.
    """
    if len(arguments) == 2 and constant is not UNSET:
        return _with_constant(call, arguments[0], constant, cost, charges_failure=not in_order)
    if len(arguments) == 2 and not in_order:
        return _binary(call, arguments[0], arguments[1], cost)
    if len(arguments) == 1:
        return _unary(call, arguments[0], cost)
    return _any_arity(call, tuple(arguments), cost)


def _charge(frame: Frame, cost: Cost | None, arguments: Sequence[Any], result: Any) -> None:
    charged = None if cost is None else cost(arguments, result)
    frame.cost += 1 if charged is None else charged
    if frame.cost > frame.budget:
        frame.check()


def _charge_failure(frame: Frame, cost: Cost | None, arguments: Sequence[Any], error: EvaluationError) -> None:
    """cel-go charges a call that failed, or whose argument did, as any other: an error has the size 1."""
    if isinstance(error, ABORTS):
        return
    try:
        charged = None if cost is None else cost(arguments, error)
    except (AttributeError, LookupError, TypeError):  # a cost that needs to look into its arguments
        charged = None
    frame.cost += 1 if charged is None else charged


def _unary(call: Implementation, argument: Run, cost: Cost | None) -> Run:
    def run(frame: Frame) -> Any:
        value: Any = None
        try:
            value = argument(frame)
            result = call(value)
        except EvaluationError as error:
            _charge_failure(frame, cost, (error if value is None else value,), error)
            raise
        if cost is None:
            frame.cost += 1
        else:
            _charge(frame, cost, (value,), result)
        return result

    return run


def _binary(call: Implementation, left: Run, right: Run, cost: Cost | None) -> Run:
    def run(frame: Frame) -> Any:
        try:
            first = left(frame)
        except EvaluationError as error:
            _both_evaluated(frame, error, right, cost)
            raise
        second: Any = None
        try:
            second = right(frame)
            result = call(first, second)
        except EvaluationError as error:
            _charge_failure(frame, cost, (first, error if second is None else second), error)
            raise
        if cost is None:
            frame.cost += 1
        else:
            _charge(frame, cost, (first, second), result)
        return result

    return run


def _with_constant(call: Implementation, left: Run, second: Any, cost: Cost | None, *, charges_failure: bool) -> Run:
    def run(frame: Frame) -> Any:
        first: Any = None
        try:
            first = left(frame)
            result = call(first, second)
        except EvaluationError as error:
            if charges_failure or first is not None:
                _charge_failure(frame, cost, (error if first is None else first, second), error)
            raise
        if cost is None:
            frame.cost += 1
        else:
            _charge(frame, cost, (first, second), result)
        return result

    return run


def _both_evaluated(frame: Frame, first: EvaluationError, right: Run, cost: Cost | None) -> None:
    """cel-go evaluates the second argument also where the first one failed."""
    if isinstance(first, ABORTS):
        return
    try:
        second = right(frame)
    except ABORTS:
        raise
    except EvaluationError as error:
        second = error
    _charge_failure(frame, cost, (first, second), first)


def _any_arity(call: Implementation, arguments: tuple[Run, ...], cost: Cost | None) -> Run:
    def run(frame: Frame) -> Any:
        values: list[Any] = []
        try:
            for argument in arguments:
                values.append(argument(frame))  # noqa: PERF401 - how many there are when one fails is what counts
        except EvaluationError as error:
            if len(values) == len(arguments) - 1:  # cel-go stops at the first that fails, and charges when it has all
                _charge_failure(frame, cost, (*values, error), error)
            raise
        try:
            result = call(*values)
        except EvaluationError as error:
            _charge_failure(frame, cost, values, error)
            raise
        _charge(frame, cost, values, result)
        return result

    return run


def equality(left: Run, right: Run, *, exact: bool, negated: bool) -> Run:
    """`==` or `!=`: `exact` where both are known to be of one simple type, so that Python's equality is CEL's."""
    same: Callable[[Any, Any], bool] = equal

    def cost(arguments: Sequence[Any], result: Any) -> int:
        return equality_cost(arguments[0], arguments[1], negated)

    def run(frame: Frame) -> Any:
        try:
            first = left(frame)
        except EvaluationError as error:
            _both_evaluated(frame, error, right, cost)
            raise
        try:
            second = right(frame)
        except EvaluationError as error:
            _charge_failure(frame, cost, (first, error), error)
            raise
        if exact:
            frame.cost += 1 if type(first) is not str else _tenth(first, second)
            return (first == second) is not negated
        frame.cost += equality_cost(first, second, negated)
        try:
            return same(first, second) is not negated
        except ABORTS:
            raise
        except EvaluationError:
            if negated:
                return True
            raise

    return run


def equality_to(left: Run, second: Any, *, negated: bool) -> Run:
    """The same for a constant of a simple type."""
    length = len(second) if type(second) is str else 0

    def cost(arguments: Sequence[Any], result: Any) -> int:
        return equality_cost(arguments[0], arguments[1], negated)

    def run(frame: Frame) -> Any:
        try:
            first = left(frame)
        except EvaluationError as error:
            _charge_failure(frame, cost, (error, second), error)
            raise
        if type(first) is str:
            frame.cost += ceil(min(len(first), length) * TRAVERSAL)
        else:
            frame.cost += 1
        return (first == second) is not negated

    return run


def _tenth(first: str, second: str) -> int:
    return ceil(min(len(first), len(second)) * TRAVERSAL)


def equality_cost(first: Any, second: Any, negated: bool) -> int:
    """A tenth of the smaller size, rounded up; 1 for `==` of Kubernetes' own values, whose size counts only for `!=`."""
    if not negated and hasattr(first, "cel_type") and first.cel_type.name != types.OPTIONAL_NAME:
        return 1
    return ceil(min(size_of(first), size_of(second)) * TRAVERSAL)
