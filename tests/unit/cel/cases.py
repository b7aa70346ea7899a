"""Tables of expressions: what cel-go says of each (`*.tsv`), and how this room's answer is written the same way.

Columns: expression, type, result, cost. A result is a value (`7`, `"text"`, `[1, 2]`), `! message` of an evaluation that fails,
`!! message` of a program that cannot be made, or, without a type, the issues of an expression that does not compile.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from pilothouse.cel import types
from pilothouse.cel.environment import Environment, ProgramError
from pilothouse.cel.errors import CompileError, EvaluationError
from pilothouse.cel.shown import double, duration, timestamp
from pilothouse.cel.values import Duration, Optional, Timestamp, Uint

VARIABLES = {
    "a": types.DYN,
    "s": types.STRING,
    "i": types.INT,
    "l": types.list_of(types.INT),
    "m": types.map_of(types.STRING, types.INT),
    "b": types.BOOL,
}
ACTIVATION: dict[str, Any] = {
    "a": {"b": {"c": 1}, "x": "abcd", "n": None},
    "s": "hello",
    "i": 7,
    "l": [1, 2, 3],
    "m": {"k": 1},
    "b": True,
}


class Case(NamedTuple):
    """One row."""

    expression: str
    type: str
    result: str
    cost: str


def read(name: str) -> list[Case]:
    """The rows of a table beside this file."""
    lines = Path(__file__).with_name(name).read_text().splitlines()
    return [Case(*(_unescaped(column) for column in line.split("\t"))) for line in lines if line and not line.startswith("#")]


def _unescaped(column: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"t": "\t", "n": "\n"}.get(match[1], match[1]), column)


def evaluated(environment: Environment, expression: str, budget: int = 1_000_000, activation: dict[str, Any] | None = None) -> Case:
    """The row that this room would write for an expression."""
    try:
        program = environment.compile(expression)
    except ProgramError as error:
        return Case(expression, "", f"!! {error}", "")
    except CompileError as error:
        return Case(expression, "", str(error), "")
    type_ = str(program.output_type)
    try:
        result = program.evaluate(ACTIVATION if activation is None else activation, budget=budget)
    except EvaluationError as error:
        return Case(expression, type_, f"! {error}", str(error.cost))
    return Case(expression, type_, shown(result.value), str(result.cost))


def shown(value: Any) -> str:
    """A value as the tables have it: exact in its type, maps in the order of their keys."""
    if isinstance(value, bool) or value is None or type(value) is int:
        return json.dumps(value)
    if isinstance(value, Uint):
        return f"{int(value)}u"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bytes):
        return f"b{json.dumps(value.hex())}"
    if isinstance(value, float):
        return f"double({double(value)})"
    if isinstance(value, Timestamp):
        return f"timestamp({timestamp(value)})"
    if isinstance(value, Duration):
        return f"duration({duration(value)})"
    if isinstance(value, Optional):
        return f"optional({shown(value.value)})" if value.present else "none"
    if isinstance(value, types.Type):
        return f"type({value.name})"
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(sorted(f'{shown(key)}: {shown(item)}' for key, item in value.items()))}}}"
    return f"{value.cel_type.name}({value})"
