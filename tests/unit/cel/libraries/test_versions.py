"""Which library an API server of which version offers to new expressions."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.cel import kubernetes
from pilothouse.cel.errors import CompileError

LINES = Path(__file__).with_name("versions.tsv").read_text().splitlines()[1:]


@pytest.mark.parametrize(("minor", "expression", "compiles"), [pytest.param(*line.split("\t"), id=line) for line in LINES])
def test_a_library_is_offered_from_its_version_on(minor: str, expression: str, compiles: str) -> None:
    environment = kubernetes.new_expressions(int(minor))
    try:
        environment.check(expression)
    except CompileError:
        assert compiles == "no"
    else:
        assert compiles == "yes"


def test_stored_expressions_may_use_everything() -> None:
    assert kubernetes.stored_expressions().compile("[1].includes(1)").evaluate({}).value is True
