"""Declarations: functions, macros, constants and libraries of an environment.

A library is a module-level `Library` in a file of `cel/libraries/`: it is found there (no list to keep) and enabled from `since` on.
A function of a library is plain Python: it takes CEL values (see values.py) in the order of the parameters, the receiver first, gives a
CEL value, and raises `EvaluationError` with cel-go's words. Arguments have been checked against the parameters when it is called.

    UPPER = Function("upperAscii", (Overload("string_upper_ascii", (STRING,), STRING, upper, receiver=True, cost=traversal),))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pilothouse.cel.types import Type

if TYPE_CHECKING:
    from pilothouse.cel.errors import Issue
    from pilothouse.cel.syntax import Expression

Cost = Callable[[Sequence[Any], Any], "int | None"]
"""Cost of one call at run time from (arguments, result), receiver first; None for the cost of the standard (1 unless it says otherwise).

Where an argument or the call failed, the EvaluationError stands in its place; `values.size_of` says 1 of it.
"""
Estimate = Callable[..., Any]
"""Estimated cost of a call: `(estimator, target, arguments) -> CallEstimate | None`, see estimating.py. `target` is None for a global call.

`estimator` is the `Estimator` there, `target` and `arguments` are its nodes (`path`, `type`, `expression`, `computed_size`).
"""


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature of a function, with its implementation.

    - `parameters`: of a receiver function the first one is the receiver.
    - `call`: None only for what the evaluator does itself (operators with short circuits).
    - `strict`: False when the call wants to see `EvaluationError` values instead of ending (only `@not_strictly_false`).
    """

    id: str
    parameters: tuple[Type, ...]
    result: Type
    call: Callable[..., Any] | None
    receiver: bool = False
    cost: Cost | None = None
    estimate: Estimate | None = None
    strict: bool = True


@dataclass(frozen=True, slots=True)
class Function:
    """A name with its overloads. Functions of several libraries that share a name are merged, in the order of the libraries' names."""

    name: str
    overloads: tuple[Overload, ...]
    cost: Cost | None = None
    estimate: Estimate | None = None
    """Cost and estimate of every overload that has none of its own, and of calls whose overload is found only at run time."""
    dynamic: Callable[..., Any] | None = None
    """What is called when the overload is found only at run time; None to look for the first whose parameters match the values."""
    prepare: Callable[[Sequence[Any]], None] | None = None
    """Looks at the arguments that are constants (others are UNSET) when a program is made; raises EvaluationError for those that fail."""


@dataclass(frozen=True, slots=True)
class Macro:
    """A call that is rewritten when it is parsed.

    `expand` gets the parser's `Factory` (see macros.py), the target (None for a global macro) and the arguments; it returns the
    expansion, or None when this is no use of the macro, or raises `MacroError(message, node)`.
    """

    name: str
    arguments: int
    receiver: bool
    expand: Callable[[Any, Any, list[Any]], Expression | None]
    variadic: bool = False


class MacroError(Exception):
    """A wrong use of a macro: a message and the expression at whose place it is reported."""

    def __init__(self, message: str, at: Any) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


Validator = Callable[[str, "Expression"], "Iterable[Issue]"]
"""What is wrong with a checked expression beyond its types, from its text and its tree."""


@dataclass(frozen=True, slots=True)
class Library:
    """Functions, macros, constants and types that an environment may enable.

    - `since`, `until`: minor versions of Kubernetes 1.x: enabled for new expressions from `since` on and before `until` (None: for ever).
      Stored expressions use the newest: every library without `until`.
    - `validators`: each looks at a checked expression of an environment that has the library, and gives issues.
    - `constants`: name -> (type, value); `types`: names of types that expressions may write (`type(x) == net.IP`).
    """

    name: str
    functions: tuple[Function, ...] = ()
    constants: Mapping[str, tuple[Type, Any]] = field(default_factory=dict)
    macros: tuple[Macro, ...] = ()
    types: tuple[Type, ...] = ()
    validators: tuple[Validator, ...] = ()
    since: int = 0
    until: int | None = None

    def enabled(self, minor: int) -> bool:
        """Whether new expressions of an API server that is compatible with 1.`minor` may use it."""
        return self.since <= minor and (self.until is None or minor < self.until)
