"""The language itself: types, values, messages and costs, row by row as cel-go has them."""

from __future__ import annotations

import pytest

from pilothouse.cel import kubernetes
from tests.unit.cel.cases import VARIABLES, Case, evaluated, read

ENVIRONMENT = kubernetes.stored_expressions().extended(VARIABLES)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.expression[:60]) for case in read("language.tsv")])
def test_an_expression_has_its_type_value_and_cost(case: Case) -> None:
    assert evaluated(ENVIRONMENT, case.expression) == case


@pytest.mark.parametrize("case", [pytest.param(case, id=case.expression[:60]) for case in read("issues.tsv")])
def test_what_is_wrong_with_an_expression_is_said_in_cel_gos_words(case: Case) -> None:
    assert evaluated(ENVIRONMENT, case.expression) == case
