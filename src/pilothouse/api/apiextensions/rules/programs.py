"""Compiled programs of a rule: expression and messageExpression, with estimated costs and errors.

Upstream: compilation.go of apiextensions-apiserver pkg/apiserver/schema/cel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilothouse.api.apiextensions import fieldpaths
from pilothouse.cel import estimating, types
from pilothouse.cel.environment import Environment, Program, ProgramError
from pilothouse.cel.errors import CompileError
from pilothouse.cel.types import Type

SELF, OLD_SELF = "self", "oldSelf"

Schema = Mapping[str, Any]


@dataclass(slots=True)
class Rule:
    """A compiled rule. Without a program and without a problem it is blank."""

    data: Mapping[str, Any]
    program: Program | None = None
    problem: str = ""
    cost: int = 0
    message: Program | None = None
    message_problem: str = ""
    message_cost: int = 0
    path: str = ""
    """Where its failures are told, from the place of the schema."""

    @property
    def uses_old(self) -> bool:
        """Whether it compares with the old value: a transition rule."""
        return self.program is not None and OLD_SELF in self.program.variables

    @property
    def old_is_optional(self) -> bool:
        """Whether oldSelf is an optional, so that the rule holds for new values too."""
        return bool(self.data.get("optionalOldSelf"))

    @property
    def shown(self) -> str:
        """Name of the rule in errors: its message or expression."""
        return (self.data.get("message") or self.data.get("rule") or "").strip()


class Compiler:
    """Compiles the rules of schemas of one type."""

    def __init__(self, base: Environment, type_: Type) -> None:
        self._type, self._base = type_, base
        self._sizes = estimating.SchemaSizes(type_)
        self._environments: dict[bool, Environment] = {}

    def rule(self, data: Mapping[str, Any], schema: Schema) -> Rule:
        """A rule of the schema, with what is wrong with it."""
        made = Rule(data)
        if not (data.get("rule") or "").strip():
            return made
        environment = self._environment(bool(data.get("optionalOldSelf")))
        made.program, made.cost, made.problem = self._program(
            environment, data["rule"], types.BOOL, "", "cel expression must evaluate to a bool"
        )
        if made.program is None:
            return made
        if expression := data.get("messageExpression"):
            words = "messageExpression must evaluate to a string"
            made.message, made.message_cost, made.message_problem = self._program(
                environment, expression, types.STRING, "messageExpression ", words
            )
        made.path = _normalized(data.get("fieldPath") or "", schema)
        return made

    def _environment(self, optional: bool) -> Environment:
        if optional not in self._environments:
            old = types.optional_of(self._type) if optional else self._type
            self._environments[optional] = self._base.extended({SELF: self._type, OLD_SELF: old})
        return self._environments[optional]

    def _program(self, environment: Environment, text: str, wanted: Type, what: str, otherwise: str) -> tuple[Program | None, int, str]:
        try:
            program = environment.compile(text)
        except ProgramError as error:
            return None, 0, f"{what or 'program '}instantiation failed: {error}"
        except CompileError as error:
            return None, 0, f"{what}compilation failed: {error}"
        if program.output_type.kind != wanted.kind:
            return None, 0, otherwise
        return program, estimating.estimate(program.checked, self._sizes).most, ""


def _normalized(path: str, schema: Schema) -> str:
    """The path of a rule as field errors write it; "" for none, or for one that leads nowhere."""
    if not path:
        return ""
    try:
        steps, _ = fieldpaths.resolve(path, schema)
    except fieldpaths.WrongPath:
        return ""
    shown = ""
    for step in steps:
        shown += step if step.startswith("[") or not shown else f".{step}"
    return shown
