"""`format`: every clause with values that it takes and values that it refuses."""

from __future__ import annotations

import pytest

from tests.unit.cel.libraries.tables import Row, answer, rows


@pytest.mark.parametrize("row", rows("formatting.tsv"))
def test_a_clause_writes_what_cel_gos_old_formatter_writes(row: Row) -> None:
    assert answer(row.expression) == row
