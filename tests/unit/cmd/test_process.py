from __future__ import annotations

import pytest

from pilothouse.cmd import process


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["python", "-m", "x", "--name", "a"], ["python", "-m", "x", "--name", "a"], id="started by hand"),
        pytest.param(["python", "-m", "x", "--name", "a", "--go", "4", "--ready", "7"], ["python", "-m", "x", "--name", "a"], id="by up"),
        pytest.param(["python", "-m", "x", "--restarts", "2", "--name", "a"], ["python", "-m", "x", "--name", "a"], id="again"),
    ],
)
def test_the_next_life_has_no_starter(words: list[str], expected: list[str]) -> None:
    assert process.again(words, 3) == [*expected, "--restarts", "3"]
