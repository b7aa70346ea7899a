"""Lists: order, sums, positions."""

from __future__ import annotations

import pytest

from tests.unit.cel.libraries.tables import Row, answer, rows


@pytest.mark.parametrize("row", rows("lists.tsv"))
def test_a_list_is_searched_and_summed_as_kubernetes_does(row: Row) -> None:
    assert answer(row.expression) == row
