"""A compacted definition says what it said, and keeps no empty list or map of its own."""

from __future__ import annotations

import pytest

from pilothouse.api.apiextensions.compaction import CONTAINERS, EMPTY, compact
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from tests.unit.api.apiextensions.test_definitions import CASES, definition, spec_of


def test_every_definition_says_the_same_after_it() -> None:
    compared = 0
    for case in CASES:
        try:
            made = definition(case["spec"])
        except (StatusError, KeyError):  # what cannot be read, or asks for a definition as a whole
            continue
        before = codec.encode(made)
        compact(made)
        assert codec.encode(made) == before
        compared += 1
    assert compared > 100


@pytest.mark.parametrize("schema", [{"type": "object"}, {"type": "object", "properties": {"spec": {"type": "string", "format": "date"}}}])
def test_empty_containers_are_shared(schema: dict[str, object]) -> None:
    first, second = definition(spec_of(schema)), definition(spec_of(schema))
    for made in (first, second):
        compact(made)
    for made in (first, second):
        (version,) = made.spec.versions or []
        assert version.schema is not None
        root = version.schema.openAPIV3Schema
        assert root is not None
        for below in (root, *root.properties.values()):
            assert [name for name in CONTAINERS if not (value := getattr(below, name)) and value is not EMPTY[type(value)]] == []
    assert (EMPTY[list], EMPTY[dict]) == ([], {})
