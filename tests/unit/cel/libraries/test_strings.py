"""Texts: positions of code points, ends, and costs."""

from __future__ import annotations

import pytest

from tests.unit.cel.libraries.tables import Row, answer, rows


@pytest.mark.parametrize("row", rows("strings.tsv"))
def test_a_function_of_texts_gives_what_cel_gos_library_gives(row: Row) -> None:
    assert answer(row.expression) == row
