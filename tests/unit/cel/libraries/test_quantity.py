"""Quantities: how they are read, when they are integers, sums and order."""

from __future__ import annotations

import pytest

from tests.unit.cel.libraries.tables import Row, answer, rows


@pytest.mark.parametrize("row", rows("quantity.tsv"))
def test_a_quantity_is_exact_and_an_integer_only_as_upstream_holds_it(row: Row) -> None:
    assert answer(row.expression) == row
