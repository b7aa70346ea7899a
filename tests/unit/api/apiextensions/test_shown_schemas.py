"""Schemas as messages show them, by Go's names: also what stands where Go expects a schema and takes anything else for none."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.apiextensions.internal import DEPENDENCIES, OR_BOOL, OR_LIST, shown, shown_schema

SCHEMA = {"type": "object"}


@pytest.mark.parametrize("odd", ["text", 1, True])
@pytest.mark.parametrize(
    ("form", "wrap", "expected"),
    [
        pytest.param(DEPENDENCIES, lambda value: {"a": value}, {"a": {"Schema": None, "Property": None}}, id="a dependency"),
        pytest.param(OR_LIST, lambda value: value, {"Schema": None, "JSONSchemas": None}, id="a schema or several"),
    ],
)
def test_what_is_no_schema_is_shown_as_none(odd: Any, form: int, wrap: Any, expected: Any) -> None:
    assert shown(wrap(odd), form) == expected


def test_a_schema_is_shown_whole() -> None:
    assert shown({"a": ["b"], "c": SCHEMA}, DEPENDENCIES) == {
        "a": {"Schema": None, "Property": ["b"]},
        "c": {"Schema": shown_schema(SCHEMA), "Property": None},
    }
    assert shown([SCHEMA], OR_LIST) == {"Schema": None, "JSONSchemas": [shown_schema(SCHEMA)]}
    assert shown(SCHEMA, OR_BOOL) == {"Allows": True, "Schema": shown_schema(SCHEMA)}
    assert shown(False, OR_BOOL) == {"Allows": False, "Schema": None}
