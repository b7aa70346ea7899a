"""Tables of expressions over Kubernetes' libraries: what an API server of 1.37 says of each, and how this room's answer is written.

Columns: expression, type, result and cost as in tests/unit/cel/cases.py, then the least and the most that the cost is estimated at.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pilothouse.cel import estimating, kubernetes
from pilothouse.cel.costs import SizeEstimator
from pilothouse.cel.environment import Environment
from pilothouse.cel.errors import CompileError
from tests.unit.cel.cases import evaluated

STORED = kubernetes.stored_expressions()


class Row(NamedTuple):
    """One row of a table."""

    expression: str
    type: str
    result: str
    cost: str
    least: str
    most: str


def rows(name: str) -> list[Any]:
    """The rows of a table beside this file, each with its expression as id."""
    lines = Path(__file__).with_name(name).read_text().splitlines()
    made = [Row(*map(_read, line.split("\t"))) for line in lines if line and not line.startswith("#")]
    return [pytest.param(row, id=row.expression[:60]) for row in made]


def answer(
    expression: str,
    environment: Environment = STORED,
    activation: Mapping[str, Any] | None = None,
    sizes: SizeEstimator | None = None,
) -> Row:
    """The row that this room would write for an expression."""
    case = evaluated(environment, expression, activation=dict(activation or {}))
    least = most = ""
    if case.type:
        try:
            estimate = estimating.estimate(environment.check(expression), sizes)
        except CompileError:
            return Row(*case, "", "")
        least, most = str(estimate.least), str(estimate.most)
    return Row(*case, least, most)


def line(row: Row) -> str:
    """A row as a table has it."""
    return "\t".join(map(_written, row))


def _written(column: str) -> str:
    return column.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _read(column: str) -> str:
    parts = column.split("\\\\")
    return "\\".join(part.replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r") for part in parts)
