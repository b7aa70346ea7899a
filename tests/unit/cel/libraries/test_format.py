"""Named formats: what is wrong with a text, in upstream's words."""

from __future__ import annotations

import pytest

from tests.unit.cel.libraries.tables import Row, answer, rows


@pytest.mark.parametrize("row", rows("format.tsv"))
def test_a_format_says_what_is_wrong_with_a_text(row: Row) -> None:
    assert answer(row.expression) == row
