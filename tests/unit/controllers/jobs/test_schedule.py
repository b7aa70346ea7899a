"""Completion indexes."""

from __future__ import annotations

import pytest

from pilothouse.controllers.jobs import indexes


@pytest.mark.parametrize(("text", "found"), [("", set()), ("3", {3}), ("0,1", {0, 1}), ("0-2,5", {0, 1, 2, 5})])
def test_indexes(text: str, found: set[int]) -> None:
    assert indexes.parse(text) == found
    assert indexes.text(found) == text
