"""Evaluation of a policy's expressions in order, within a budget of costs (upstream: admission/plugin/cel).

- An expression costs at most CALL_LIMIT; all of one kind of a policy (validations, say) at most BUDGET. The costs of variables come on top
  of those of the expression that needs them first: a variable is evaluated once in an `Evaluation`.
- An error is a value: whether it refuses the request is the failure policy's word. A spent budget ends the evaluation: BudgetExceeded.
- What costs more than SMALL raises TooLarge when `is_small` is asked for: the caller then does it again in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pilothouse.api.expressions.admission import Compiled
from pilothouse.cel.errors import EvaluationError
from pilothouse.kit.offload import in_thread
from pilothouse.machinery.quoting import go_quoted

T = TypeVar("T")

CALL_LIMIT = 1_000_000
BUDGET = 10_000_000
CONDITIONS_BUDGET = 2_500_000
SMALL = 20_000
"""Costs that are spent on the loop, some milliseconds; what costs more is evaluated in a thread."""
OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


class BudgetExceeded(Exception):
    """All of a policy's expressions together cost more than they may."""

    def __init__(self) -> None:
        super().__init__(OUT_OF_BUDGET)


class TooLarge(Exception):
    """The evaluation costs more than what is done on the loop."""


@dataclass(frozen=True, slots=True)
class Result:
    """Result of an expression: a CEL value or an error."""

    value: Any = None
    error: str = ""


class Variables(dict[str, Any]):
    """`variables` of a policy: each is evaluated when it is selected first."""

    def __init__(self, compiled: Mapping[str, Compiled], evaluation: Evaluation) -> None:
        super().__init__()
        self._compiled, self._evaluation = compiled, evaluation

    def __contains__(self, name: object) -> bool:
        return name in self._compiled

    def __missing__(self, name: str) -> Any:
        self[name] = value = self._evaluation.variable(name, self._compiled[name])
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """The value of variable `name`, evaluated now if it was not yet; `default` when the policy defines no such variable."""
        return self[name] if name in self._compiled else default


class Evaluation:
    """Expressions that share their variables. `values` are the variables of CEL, `variables` those that the policy composes."""

    def __init__(self, values: Mapping[str, Any], variables: Mapping[str, Compiled], budget: int, *, is_small: bool = False) -> None:
        self.budget = budget
        self._variables = variables
        self._values = {**values, "variables": Variables(variables, self)} if variables else values
        self._limit = SMALL if is_small else CALL_LIMIT
        self._left = SMALL
        self._is_small = is_small
        self._composed = 0
        self._errors: dict[str, EvaluationError] = {}

    def all(self, expressions: Iterable[Compiled | None]) -> list[Result | None]:
        """The results of expressions in order, None where there is no expression; BudgetExceeded as soon as the budget is spent."""
        return [None if expression is None else self.evaluate(expression) for expression in expressions]

    def continued(self, values: Mapping[str, Any]) -> Evaluation:
        """Another evaluation of the same policy, with other values and what this one has left of the budget."""
        return Evaluation(values, self._variables, self.budget, is_small=self._is_small)

    def evaluate(self, compiled: Compiled) -> Result:
        """The result of one expression."""
        if compiled.program is None:
            return Result(error=f"compilation error: {compiled.problem}")
        value, error = None, ""
        try:
            outcome = compiled.program.evaluate(self._values, budget=self._limit)
            value, cost = outcome.value, outcome.cost
        except EvaluationError as problem:
            cost, error = problem.cost, f"expression '{compiled.expression}' resulted in error: {problem}"
        except (TypeError, AttributeError):  # a value of `namespaceObject` is not of the type that upstream declares for it
            cost, error = 0, f"expression '{compiled.expression}' resulted in error: no such overload"
        if self._composed:
            self._spend(self._composed)
            self._composed = 0
        self._spend(cost)
        return Result(value, error)

    def variable(self, name: str, compiled: Compiled) -> Any:
        """The value of a variable of the policy; EvaluationError when it has none."""
        known = self._errors.get(name)
        if known is not None:
            raise known
        try:
            if compiled.program is None:
                raise EvaluationError(f"composited variable {go_quoted(name)} fails to compile: {compiled.problem}")
            return self._variable(name, compiled.program)
        except EvaluationError as error:
            self._errors[name] = error
            raise

    def _variable(self, name: str, program: Any) -> Any:
        try:
            outcome = program.evaluate(self._values, budget=self._limit)
        except EvaluationError as error:
            self._composed += error.cost
            raise EvaluationError(f"composited variable {go_quoted(name)} fails to evaluate: {error}") from error
        self._composed += outcome.cost
        return outcome.value

    def _spend(self, cost: int) -> None:
        if self._is_small:
            self._left -= cost
            if self._left < 0:
                raise TooLarge
        if cost > self.budget:
            raise BudgetExceeded
        self.budget -= cost


async def in_thread_if_costly(evaluate: Callable[..., T], *args: Any) -> T:
    """Result of `evaluate(*args, is_small=...)`: tried on the loop first, then in a thread when it costs more than SMALL."""
    try:
        return evaluate(*args, is_small=True)
    except TooLarge:
        return await in_thread(partial(evaluate, *args, is_small=False))
