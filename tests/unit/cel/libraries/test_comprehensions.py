"""Comprehensions of two variables."""

from __future__ import annotations

import pytest

from tests.unit.cel.libraries.tables import Row, answer, rows


@pytest.mark.parametrize("row", rows("comprehensions.tsv"))
def test_two_variables_go_through_indexes_and_items_or_keys_and_values(row: Row) -> None:
    assert answer(row.expression) == row
