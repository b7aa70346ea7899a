"""`find` and `findAll`: matches, wrong expressions, costs."""

from __future__ import annotations

import pytest

from tests.unit.cel.libraries.tables import Row, answer, rows


@pytest.mark.parametrize("row", rows("regex.tsv"))
def test_an_expression_is_searched_for_as_re2_does(row: Row) -> None:
    assert answer(row.expression) == row
