"""URLs: read, taken apart and compared as Go's net/url does."""

from __future__ import annotations

import pytest

from tests.unit.cel.libraries.tables import Row, answer, rows


@pytest.mark.parametrize("row", rows("urls.tsv"))
def test_a_url_is_read_as_go_reads_it(row: Row) -> None:
    assert answer(row.expression) == row
