"""Strings in quotes as Go prints them."""

from __future__ import annotations

import pytest

from pilothouse.machinery.problems import quoted
from pilothouse.machinery.quoting import aggregate, go_quoted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("größe ☃ 😀", '"größe ☃ 😀"', id="what prints stays"),
        pytest.param('a "b" \\ c', '"a \\"b\\" \\\\ c"', id="quotes and backslashes"),
        pytest.param("\a\b\f\n\r\t\v", '"\\a\\b\\f\\n\\r\\t\\v"', id="names of control characters"),
        pytest.param("\x00\x1b\x7f", '"\\x00\\x1b\\x7f"', id="other control characters"),
        pytest.param("\u200b\ufeff\U000e0001", '"\\u200b\\ufeff\\U000e0001"', id="what does not print"),
    ],
)
def test_a_string_is_quoted_as_go_does(text: str, shown: str) -> None:
    assert go_quoted(text) == shown
    assert quoted(text) == shown


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        pytest.param([], "", id="none"),
        pytest.param(["a"], "a", id="one"),
        pytest.param(["b", "a", "b"], "[b, a]", id="each once, in their order"),
        pytest.param(["a", "a"], "a", id="one said twice"),
    ],
)
def test_several_errors_are_told_as_go_tells_them(texts: list[str], told: str) -> None:
    assert aggregate(texts) == told
