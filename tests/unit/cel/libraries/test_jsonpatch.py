"""`jsonpatch.escapeKey`: only where the library is asked for."""

from __future__ import annotations

import pytest

from pilothouse.cel import jsonpatch
from pilothouse.cel.errors import CompileError
from tests.unit.cel.libraries.tables import STORED, Row, answer, rows

ENVIRONMENT = STORED.extended({}, [jsonpatch.LIBRARY])


@pytest.mark.parametrize("row", rows("jsonpatch.tsv"))
def test_a_key_is_escaped_for_a_json_pointer(row: Row) -> None:
    assert answer(row.expression, ENVIRONMENT) == row


def test_environments_do_not_have_it_by_themselves() -> None:
    with pytest.raises(CompileError, match="undeclared reference to 'jsonpatch'"):
        STORED.compile("jsonpatch.escapeKey('a')")
