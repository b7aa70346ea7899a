"""Documents that would take the process down are refused."""

from __future__ import annotations

import pytest

from pilothouse.machinery import yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]\n" for number in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("[" * 100_000, "exceeded max depth", id="brackets"),
        pytest.param("{a: " * 100_000, "exceeded max depth", id="braces"),
        pytest.param("- " * 100_000, "exceeded max depth", id="dashes in one line"),
        pytest.param("\n".join(" " * depth + "a:" for depth in range(600)), "exceeded max depth", id="indentation"),
        pytest.param(LAUGHS, "excessive aliasing", id="aliases of aliases"),
        pytest.param("a: &a " + "x" * 100_000 + "\nb:\n" + "- *a\n" * 300, "excessive aliasing", id="a long text, again and again"),
    ],
)
def test_what_is_too_much_is_refused(text: str, problem: str) -> None:
    with pytest.raises(yaml.YamlError, match=problem):
        yaml.parse(text)


def test_ordinary_nesting_and_aliases_are_fine() -> None:
    assert yaml.parse("a: &a {b: [1]}\nc: *a\n") == {"a": {"b": [1]}, "c": {"b": [1]}}
    deep = yaml.parse("[" * 400 + "]" * 400)
    assert isinstance(deep, list)
