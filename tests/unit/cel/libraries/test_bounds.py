"""Calls whose cost no evaluation can pay end at once, and no input raises anything but EvaluationError or CompileError."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest

from pilothouse.cel import estimating, types
from pilothouse.cel.errors import CompileError, CostLimitExceeded, EvaluationError
from pilothouse.cel.types import Type
from pilothouse.cel.values import Duration, Timestamp, Uint
from tests.unit.cel.libraries.tables import STORED

LARGE = "x" * 1_000_000


@pytest.mark.parametrize(
    ("expression", "activation"),
    [
        pytest.param("lists.range(999999).distinct()", {}, id="range"),
        pytest.param("a.distinct().size()", {"a": list(range(100_000))}, id="distinct"),
        pytest.param("a.map(x, b).join(b).size()", {"a": list(range(100)), "b": LARGE}, id="join"),
        pytest.param("b.replace('x', b).size()", {"b": LARGE}, id="replace"),
        pytest.param("a.format([b, b, b, b]).size()", {"a": "%s" * 4, "b": LARGE * 40}, id="format"),
        pytest.param("sets.equivalent(a, a)", {"a": list(range(5_000))}, id="sets"),
    ],
)
def test_a_call_beyond_every_budget_ends_before_it_takes_time_and_memory(expression: str, activation: dict[str, Any]) -> None:
    program = STORED.extended(dict.fromkeys(activation, types.DYN)).compile(expression)
    with pytest.raises(CostLimitExceeded):
        program.evaluate(activation)


@pytest.mark.parametrize(
    "text",
    ["1e2000000000", "1e-2000000000", "9" * 19_000, "0" * 500_000 + "x", "1" * 200_000 + "Ei", "1." + "0" * 300_000 + "k", "1e99999999999"],
    ids=lambda text: text[:14],
)
def test_a_quantity_of_any_length_is_read_in_time(text: str) -> None:
    program = STORED.extended({"q": types.STRING}).compile("isQuantity(q) && quantity(q).add(quantity(q)).compareTo(quantity('1')) > 0")
    with suppress(EvaluationError):
        program.evaluate({"q": text})


VALUES: tuple[tuple[Type, Any], ...] = (
    *((types.INT, value) for value in (0, -1, 5, 1 << 62, -(1 << 63))),
    *((types.UINT, Uint(value)) for value in (0, 7, (1 << 64) - 1)),
    *((types.DOUBLE, value) for value in (0.0, -0.5, 1e300, float("nan"), float("inf"))),
    *(
        (types.STRING, value)
        for value in ("", "a", "é💩", "1.2.3.4", "10.0.0.0/8", "1Gi", "1.2.3", "http://a/b", "%s %d", "[", "2020-01-01")
    ),
    *((types.BYTES, value) for value in (b"", b"\xff")),
    (types.BOOL, True),
    (types.NULL, None),
    (types.DURATION, Duration(5)),
    (types.TIMESTAMP, Timestamp(5)),
    (types.list_of(types.DYN), [1, "a", None, [2.5], {"k": 1}]),
    (types.list_of(types.DYN), []),
    (types.map_of(types.DYN, types.DYN), {"k": "v", 1: 2}),
)


def _calls(random_: random.Random) -> str:
    """A call of some function of some library with some variables, half of them as receiver."""
    function = random_.choice(FUNCTIONS)
    overload = random_.choice(function.overloads)
    names = [f"v{random_.randrange(len(VALUES))}" for _ in overload.parameters]
    wrapped = [f"dyn({name})" if random_.random() < 0.7 else name for name in names]
    if overload.receiver:
        return f"{wrapped[0]}.{function.name}({', '.join(wrapped[1:])})"
    return f"{function.name}({', '.join(wrapped)})"


FUNCTIONS = [function for function in STORED.names.functions.values() if function.name[0].isalpha() and "@" not in function.name]
ENVIRONMENT = STORED.extended({f"v{index}": type_ for index, (type_, _) in enumerate(VALUES)})
ACTIVATION = {f"v{index}": value for index, (_, value) in enumerate(VALUES)}


@pytest.mark.parametrize("seed", range(40))
def test_any_function_of_any_values_gives_a_value_or_an_evaluation_error(seed: int) -> None:
    random_ = random.Random(seed)
    for _ in range(100):
        text = _calls(random_)
        if random_.random() < 0.3:
            text = f"[{text}].map(x, {_calls(random_)}) == [{text}]"
        try:
            program = ENVIRONMENT.compile(text)
        except CompileError:
            continue
        assert estimating.estimate(program.checked).least >= 0
        with suppress(EvaluationError):
            program.evaluate(ACTIVATION)
