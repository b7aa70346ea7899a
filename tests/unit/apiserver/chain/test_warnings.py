"""Warnings of an answer: how many there are, and how long."""

from __future__ import annotations

import pytest

from pilothouse.apiserver.http.warning_headers import escaped, shortened


@pytest.mark.parametrize(
    ("warnings", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["a", "b", "a", ""], ["a", "b"], id="each once, and no empty one"),
        pytest.param(["x" * 4096], ["x" * 4096], id="one that just fits"),
        pytest.param(["x" * 4097], ["x" * 256], id="one that does not"),
        pytest.param(["x" * 4000, "y" * 100], ["x" * 256, "y" * 100], id="two that do not"),
        pytest.param([f"{n:03}" + "x" * 297 for n in range(20)], [f"{n:03}" + "x" * 253 for n in range(16)], id="many"),
        pytest.param(["a\nb", "c"], ["c"], id="a control character"),
        pytest.param(["grüß dich"], ["grüß dich"], id="no ASCII"),
    ],
)
def test_warnings_are_shortened(warnings: list[str], expected: list[str]) -> None:
    assert shortened(warnings) == expected


def test_quotes_and_backslashes_are_escaped() -> None:
    assert escaped('say "a\\b"') == 'say \\"a\\\\b\\"'
