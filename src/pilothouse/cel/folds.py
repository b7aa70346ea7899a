"""Compiled comprehensions, with special loops for the standard macros.

Costs per element are those of the nodes that the macro stands for: the condition, the step and the accumulator's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pilothouse.cel.errors import ABORTS, EvaluationError
from pilothouse.cel.frames import UNSET, Frame, Run
from pilothouse.cel.values import items, type_name

ALL_TURN, ALL_STOP = 3, 2
ANY_TURN, ANY_STOP = 4, 3
LIST_COST = 10


@dataclass(frozen=True, slots=True)
class Loop:
    """Range and variable slots of a comprehension (-1 without a second variable)."""

    range: Run
    first: int
    second: int

    def turns(self, frame: Frame) -> Iterator[None]:
        """Set the variables to one element after another; between two the budget is looked at."""
        collection = self.range(frame)
        variables, first, second = frame.locals, self.first, self.second
        if second < 0:
            for item in items(collection):
                variables[first] = item
                yield
                if frame.cost > frame.budget or frame.cancelled is not None:
                    frame.check()
            return
        for variables[first], variables[second] in _pairs(collection):
            yield
            if frame.cost > frame.budget or frame.cancelled is not None:
                frame.check()


def _pairs(collection: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(collection, dict):
        return iter(collection.items())
    if isinstance(collection, list):
        return iter(enumerate(collection))
    raise EvaluationError(f"unsupported comprehension range type: {type_name(collection)}")


def quantifier(loop: Loop, predicate: Run, *, until: bool) -> Run:
    """`exists` (until a true one) or `all` (until a false one). Errors count only when no element decides."""
    per_turn, at_stop = (ANY_TURN, ANY_STOP) if until else (ALL_TURN, ALL_STOP)

    def run(frame: Frame) -> Any:
        failure: EvaluationError | None = None
        decided = False
        for _ in loop.turns(frame):
            if decided:
                frame.cost += at_stop
                break
            frame.cost += per_turn
            try:
                holds = predicate(frame)
            except ABORTS:
                raise
            except EvaluationError as error:
                failure = failure or error
                continue
            if holds is until:
                decided = True
            elif holds is not (not until):
                failure = failure or EvaluationError("no such overload")
        frame.cost += 1
        if failure is not None and not decided:
            raise failure
        return decided is until

    return run


def exactly_one(loop: Loop, predicate: Run) -> Run:
    """`exists_one`. An error of any element is the result, but the others are asked all the same."""

    def run(frame: Frame) -> Any:
        count = 0
        failure: EvaluationError | None = None
        for _ in loop.turns(frame):
            try:
                if _truth(predicate(frame)):
                    count += 1
                    frame.cost += 2
            except ABORTS:
                raise
            except EvaluationError as error:
                failure = error
        frame.cost += 2
        if failure is not None:
            raise failure
        return count == 1

    return run


def _truth(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise EvaluationError("no such overload")


def collecting(loop: Loop, only: Run | None, start: Callable[[], Any], add: Callable[[Frame, Any], None]) -> Run:
    """`map`, `filter`, `transformList`, `transformMap`: one growing list or map instead of a new one at each step."""

    def run(frame: Frame) -> Any:
        collected = start()
        failure: EvaluationError | None = None
        for _ in loop.turns(frame):
            chosen = only is None
            try:
                chosen = only is None or _truth(only(frame))
                if chosen:
                    add(frame, collected)
            except ABORTS:
                raise
            except EvaluationError as error:
                failure = failure if failure is not None and chosen else error
        frame.cost += 1
        if failure is not None:
            raise failure
        return collected

    return run


def adding_item(item: Run, *, constant: bool) -> Callable[[Frame, list[Any]], None]:
    """The step `accumulator + [item]`: a list that is a constant costs nothing to make."""
    charge = 2 if constant else 2 + LIST_COST

    def add(frame: Frame, collected: list[Any]) -> None:
        frame.cost += charge
        collected.append(item(frame))

    return add


def general(loop: Loop, slot: int, condition: Run, step: Run, result: Run) -> Run:
    """Any comprehension, as it is written; the accumulator in `slot` gets its first value when it is asked for."""

    def run(frame: Frame) -> Any:
        frame.locals[slot] = UNSET
        for _ in loop.turns(frame):
            if condition(frame) is not True:
                break
            frame.locals[slot] = step(frame)
        return result(frame)

    return run
