"""Addresses and networks: read strictly, compared by their octets."""

from __future__ import annotations

import pytest

from tests.unit.cel.libraries.tables import Row, answer, rows


@pytest.mark.parametrize("row", rows("networks.tsv"))
def test_an_address_or_network_is_read_as_netip_reads_it(row: Row) -> None:
    assert answer(row.expression) == row
