"""Columns of custom kinds: what a cell shows of a value, by the type of its column."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pilothouse.api.types.apiextensions_v1 import CustomResourceColumnDefinition
from pilothouse.apiserver.extensions.columns import columns_of
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.table import cell, definition, table
from pilothouse.machinery.table import columns_of as shown_columns
from pilothouse.machinery.unstructured import Unstructured, unstructured_resource

NOW = datetime(2026, 1, 2, tzinfo=UTC)
WIDGET = Unstructured(
    ObjectMeta(name="a", creationTimestamp="2026-01-01T23:00:00Z", labels={"app": "web"}),
    {
        "spec": {
            "text": "x",
            "whole": 3,
            "fraction": 2.5,
            "round": 4.0,
            "on": True,
            "null": None,
            "map": {"b": 1, "a": "<"},
            "list": [1, 2],
        },
        "at": {"day": "2026-01-01T00:00:00Z", "no": "yesterday", "empty": ""},
    },
)


def column(path: str, type: str = "string", name: str = "X", **fields: Any) -> CustomResourceColumnDefinition:
    return CustomResourceColumnDefinition(name=name, type=type, jsonPath=path, **fields)


@pytest.mark.parametrize(
    ("path", "type", "shown"),
    [
        (".spec.text", "string", "x"),
        (".spec.whole", "string", "3"),
        (".spec.fraction", "string", "2.5"),
        (".spec.on", "string", "true"),
        (".spec.null", "string", "<no value>"),
        (".spec.map", "string", '{"a":"\\u003c","b":1}'),
        (".spec.list", "string", "[1,2]"),
        (".spec.list[*]", "string", "1"),
        (".spec.missing", "string", None),
        (".missing.deeper", "string", None),
        (".spec.list[7]", "string", None),
        (".spec.whole", "integer", 3),
        (".spec.fraction", "integer", 2),
        (".spec.text", "integer", None),
        (".spec.on", "integer", None),
        (".spec.whole", "number", 3),
        (".spec.fraction", "number", 2.5),
        (".spec.round", "number", 4),
        (".spec.on", "boolean", True),
        (".spec.whole", "boolean", None),
        (".spec.null", "boolean", None),
        (".at.day", "date", "24h"),
        (".at.no", "date", "<invalid>"),
        (".at.empty", "date", "<unknown>"),
        (".spec.whole", "date", None),
        (".spec.missing", "date", None),
        (".metadata.creationTimestamp", "date", "60m"),
        (".metadata.labels.app", "string", "web"),
        (".metadata.labels.other", "string", None),
        (".spec.text", "object", None),
    ],
)
def test_cells(path: str, type: str, shown: Any) -> None:
    assert cell(columns_of([column(path, type)])[0], WIDGET, NOW) == shown


def test_without_columns_the_age_is_shown() -> None:
    assert [definition(one)["name"] for one in columns_of([])] == ["Age"]


def test_a_column_that_is_no_path_leaves_the_name_alone() -> None:
    assert columns_of([column(".spec.text"), column(".spec[")]) == ()


def test_headers_tell_what_the_definition_says() -> None:
    declared = [column(".spec.day", "date", "Day", priority=1), column(".x", "integer", "Name", format="int32", description="How many.")]
    resource = unstructured_resource("example.com", "v1", "Widget", "widgets", columns=columns_of(declared))
    assert [definition(one) | {"description": ""} for one in shown_columns(resource)[1:]] == [
        {"name": "Day", "type": "date", "format": "", "description": "", "priority": 1},
        {"name": "Name", "type": "integer", "format": "int32", "description": "", "priority": 0},
    ]
    described = [definition(one)["description"] for one in shown_columns(resource)[1:]]
    assert described == ["Custom resource definition column (in JSONPath format): .spec.day", "How many."]
    assert table(resource, [WIDGET], NOW)["rows"][0]["cells"] == ["a", None, None]
