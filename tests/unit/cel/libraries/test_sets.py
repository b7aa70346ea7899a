"""Lists taken for sets."""

from __future__ import annotations

import pytest

from tests.unit.cel.libraries.tables import Row, answer, rows


@pytest.mark.parametrize("row", rows("sets.tsv"))
def test_lists_are_compared_as_sets(row: Row) -> None:
    assert answer(row.expression) == row
