"""Environments and programs: compile an expression against declared names, evaluate it within a budget.

- `Environment.compile` raises `CompileError`: everything that is wrong with the form, or else with the types.
- `Program.evaluate` raises `EvaluationError`, its subclass `CostLimitExceeded` when the budget is spent.
- Both may be shared by threads; compiling costs about a millisecond, so keep programs.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from pilothouse.cel import checking, validating, work
from pilothouse.cel.checking import Checked
from pilothouse.cel.declarations import Library, Macro, Validator
from pilothouse.cel.errors import CompileError, CostLimitExceeded, EvaluationError
from pilothouse.cel.frames import Frame, Run
from pilothouse.cel.macros import STANDARD_MACROS
from pilothouse.cel.parser import parse
from pilothouse.cel.planning import Planner
from pilothouse.cel.scopes import Names, TypeResolver, merged
from pilothouse.cel.standard.conversions import CONVERSIONS
from pilothouse.cel.standard.operators import OPERATORS
from pilothouse.cel.standard.strings import STRINGS
from pilothouse.cel.standard.times import TIMES
from pilothouse.cel.types import ObjectType, Type

PER_CALL_LIMIT = 1_000_000
"""Kubernetes' budget of one evaluation."""
STANDARD = (OPERATORS, CONVERSIONS, STRINGS, TIMES)
MacroTable = Mapping[tuple[str, int, bool], Macro]


class Result(NamedTuple):
    """Value of an evaluation, and its cost."""

    value: Any
    cost: int


class ProgramError(CompileError):
    """An expression of right types that cannot become a program: a conversion of a constant fails (`int("x")`).

    cel-go notices it only when the program is made; Kubernetes says `program instantiation failed: ` before the message.
    """

    def __init__(self, source: str, message: str) -> None:
        super().__init__(source, [])
        self.message = message

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression."""

    checked: Checked
    _run: Run = field(repr=False)
    _variables: tuple[tuple[str, Type], ...]
    _slots: int

    @property
    def text(self) -> str:
        """The expression."""
        return self.checked.text

    @property
    def output_type(self) -> Type:
        """The type of its value."""
        return self.checked.output_type

    @property
    def variables(self) -> tuple[str, ...]:
        """The global variables that it may read."""
        return tuple(name for name, _ in self._variables)

    def evaluate(
        self, activation: Mapping[str, Any], *, budget: int = PER_CALL_LIMIT, cancelled: Callable[[], bool] | None = None
    ) -> Result:
        """Its value for these variables. A variable that is a function is called when it is needed first."""
        try:
            return self._evaluate(Frame(activation, self._variables, self._slots, budget, cancelled))
        except RecursionError:
            with deep_stack():
                return self._evaluate(Frame(activation, self._variables, self._slots, budget, cancelled))

    def _evaluate(self, frame: Frame) -> Result:
        budget = frame.budget
        work.begin()
        try:
            value = self._run(frame)
            if frame.cost > budget:
                raise CostLimitExceeded
        except EvaluationError as error:
            error.cost = frame.cost
            raise
        finally:
            work.end()
        return Result(value, frame.cost)


@dataclass(frozen=True, slots=True)
class Environment:
    """Declared names. Make it by `Environment.of(...)`, and others from it by `extended`."""

    names: Names
    macros: MacroTable
    optional_syntax: bool = False
    validates_literals: bool = True
    validators: tuple[Validator, ...] = ()

    @staticmethod
    def of(
        variables: Mapping[str, Type] | None = None, libraries: Sequence[Library] = (), *, validates_literals: bool = True
    ) -> Environment:
        """The standard functions and macros, some libraries, some variables."""
        empty = Environment(Names({}, {}, {}, {}), _macros(STANDARD_MACROS), validates_literals=validates_literals)
        return empty.extended(variables or {}, [*STANDARD, *libraries])

    def extended(
        self,
        variables: Mapping[str, Type] | None = None,
        libraries: Sequence[Library] = (),
        *,
        types: Iterable[Type] = (),
        resolvers: Iterable[TypeResolver] = (),
    ) -> Environment:
        """This environment with more names.

        `types` may be named in the expression (`Object{...}`); `resolvers` find such types by name when nobody has listed them.
        """
        functions = self.names.functions
        constants, named, macros = dict(self.names.constants), dict(self.names.types), dict(self.macros)
        for library in libraries:
            functions = merged(functions, library.functions)
            constants |= library.constants
            macros |= _macros(library.macros)
            named |= {type_.name: type_ for type_ in library.types}
        named |= {type_.name: type_ for type_ in types}
        named |= {declared.name: declared for declared in (variables or {}).values() if isinstance(declared, ObjectType)}
        names = Names({**self.names.variables, **(variables or {})}, constants, named, functions, (*self.names.resolvers, *resolvers))
        optional_syntax = self.optional_syntax or any(library.name == "optional" for library in libraries)
        validators = (*self.validators, *(validator for library in libraries for validator in library.validators))
        return replace(self, names=names, macros=macros, optional_syntax=optional_syntax, validators=validators)

    def check(self, text: str) -> Checked:
        """The expression with its types, or CompileError."""
        checked = checking.check(text, parse(text, self.macros, optional_syntax=self.optional_syntax), self.names)
        issues = validating.issues(text, checked.expression, self.validates_literals)
        for validator in self.validators:
            issues += validator(text, checked.expression)
        if issues:
            raise CompileError(text, issues)
        return checked

    def compile(self, text: str) -> Program:
        """The program of an expression, or CompileError (ProgramError, which is one, for constants that cannot be converted)."""
        try:
            return self._compile(text)
        except RecursionError:
            with deep_stack():
                return self._compile(text)

    def _compile(self, text: str) -> Program:
        checked = self.check(text)
        planner = Planner(self.names)
        try:
            run = planner.plan(checked.expression).run
        except EvaluationError as error:
            raise ProgramError(text, str(error)) from None
        return Program(checked, run, tuple(planner.variables), planner.slots)


_DEEP = threading.Lock()
DEEP_STACK_FRAMES = 10_000
"""Enough for the deepest tree that the parser lets pass: 250 nested expressions and as many operators, each of a few frames."""


@contextmanager
def deep_stack() -> Iterator[None]:
    """Raise Python's recursion limit for deeply nested expressions."""
    with _DEEP:
        usual = sys.getrecursionlimit()
        sys.setrecursionlimit(max(usual, DEEP_STACK_FRAMES))
        try:
            yield
        finally:
            sys.setrecursionlimit(usual)


def _macros(macros: Iterable[Macro]) -> dict[tuple[str, int, bool], Macro]:
    return {(macro.name, -1 if macro.variadic else macro.arguments, macro.receiver): macro for macro in macros}
