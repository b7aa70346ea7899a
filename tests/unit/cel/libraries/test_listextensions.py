"""slice, flatten, sort, sortBy, range, reverse, distinct."""

from __future__ import annotations

import pytest

from tests.unit.cel.libraries.tables import Row, answer, rows


@pytest.mark.parametrize("row", rows("listextensions.tsv"))
def test_a_list_is_cut_flattened_and_sorted_as_cel_gos_library_does(row: Row) -> None:
    assert answer(row.expression) == row
