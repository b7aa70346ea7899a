"""CEL of JWT authenticators: which variables expressions see, and what they may return (upstream: apiserver/pkg/authentication/cel)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from pilothouse.api.expressions.admission import USER_INFO
from pilothouse.cel import kubernetes
from pilothouse.cel.environment import Environment, Program, ProgramError
from pilothouse.cel.errors import CompileError
from pilothouse.cel.escaping import unescape
from pilothouse.cel.syntax import Call, Expression, Identifier, Literal, Select
from pilothouse.cel.types import ANY, BOOL, STRING, Type, map_of

CLAIMS, USER = "claims", "user"
TYPES = {CLAIMS: map_of(STRING, ANY), USER: USER_INFO}
OPTIONAL_SELECT = "_?._"


class NotCompiled(ValueError):
    """What is said of an expression that cannot be used; `is_internal` where upstream takes that for its own mistake."""

    def __init__(self, text: str, is_internal: bool = False) -> None:
        super().__init__(text)
        self.is_internal = is_internal


@cache
def _environment(variable: str) -> Environment:
    return kubernetes.stored_expressions().extended({variable: TYPES[variable]})


def compiled(expression: str, variable: str, returns: Type | None = None) -> Program:
    """The program of an expression that sees CLAIMS or USER. NotCompiled in upstream's words."""
    try:
        program = _environment(variable).compile(expression)
    except ProgramError as error:
        raise NotCompiled(f"program instantiation failed: {error}", is_internal=True) from error
    except CompileError as error:
        raise NotCompiled(f"compilation failed: {error}") from error
    if returns is not None and program.output_type != returns:
        raise NotCompiled(f"must evaluate to {returns.name}")
    return program


def condition(expression: str, variable: str) -> Program:
    """The program of an expression that is true or false."""
    return compiled(expression, variable, BOOL)


def uses_claim(program: Program, claim: str) -> bool:
    """Whether an expression selects `claims.CLAIM` anywhere: with `has()`, optionally, or below a macro, but not by `claims["CLAIM"]`."""
    return any(_selects(node, claim) for node in walk(program.checked.expression))


def walk(root: Expression) -> Iterator[Expression]:
    """A node and all below it."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.children())


def _selects(node: Expression, claim: str) -> bool:
    if isinstance(node, Select):
        return node.field_name == claim and isinstance(node.operand, Identifier) and node.operand.name == CLAIMS
    if isinstance(node, Call) and node.function == OPTIONAL_SELECT and node.target is None and len(node.arguments) == 2:
        operand, name = node.arguments
        return isinstance(operand, Identifier) and operand.name == CLAIMS and isinstance(name, Literal) and name.value == claim
    return False


class Escaped(dict[str, Any]):
    """A JSON object whose names are found as an identifier must write them, too: `a__dot__b` for `a.b`."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(self._meant(name))

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(self._meant(name))

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a name, or `default`."""
        return super().get(self._meant(name), default)

    def _meant(self, name: Any) -> Any:
        return (unescape(name) or name) if isinstance(name, str) and "__" in name else name


def value_of(parsed: Any) -> Any:
    """Parsed JSON as CEL sees the claims: every number is a double."""
    if isinstance(parsed, dict):
        return Escaped({name: value_of(value) for name, value in parsed.items()})
    if isinstance(parsed, list):
        return [value_of(value) for value in parsed]
    return parsed + 0.0 if type(parsed) is int else parsed
