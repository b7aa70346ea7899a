"""State of one evaluation: variables, cost so far, budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pilothouse.cel.errors import CostLimitExceeded, EvaluationError, Interrupted
from pilothouse.cel.types import Type

UNSET: Any = object()
"""A variable that nobody has asked for yet."""


class Frame:
    """State of one evaluation. `values` are global variables by their index in the program, `locals` those of comprehensions by slot."""

    __slots__ = ("_activation", "_variables", "budget", "cancelled", "cost", "locals", "values")

    def __init__(
        self,
        activation: Mapping[str, Any],
        variables: Sequence[tuple[str, Type]],
        slots: int,
        budget: int,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self._activation = activation
        self._variables = variables
        self.values: list[Any] = [UNSET] * len(variables)
        self.locals: list[Any] = [None] * slots
        self.cost = 0
        self.budget = budget
        self.cancelled = cancelled

    def fetch(self, index: int) -> Any:
        """The value of a global variable, converted as its type says; computed at its first use."""
        name, type_ = self._variables[index]
        try:
            value = self._activation[name]
        except KeyError:
            raise EvaluationError(f"no such attribute(s): {name}") from None
        if callable(value) and not hasattr(value, "cel_type") and not isinstance(value, Type):
            value = value()
        if type_.convert is not None and value is not None:
            value = type_.convert(value)
        self.values[index] = value
        return value

    def check(self) -> None:
        """End the evaluation when it has cost too much or nobody wants it any more."""
        if self.cost > self.budget:
            raise CostLimitExceeded
        if self.cancelled is not None and self.cancelled():
            raise Interrupted


Run = Callable[[Frame], Any]
"""A compiled node: gives its value and adds its cost to the frame, or raises EvaluationError."""
