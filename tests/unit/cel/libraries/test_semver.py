"""Versions: read strictly or after being brought into shape, ordered."""

from __future__ import annotations

import pytest

from tests.unit.cel.libraries.tables import Row, answer, rows


@pytest.mark.parametrize("row", rows("semver.tsv"))
def test_a_version_is_read_and_ordered_as_upstream_does(row: Row) -> None:
    assert answer(row.expression) == row
