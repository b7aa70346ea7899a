"""Durations are read as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pilothouse.testing.durations import seconds


@pytest.mark.parametrize(
    ("written", "expected"),
    [("24h", 86400), ("1m30s", 90), ("250ms", 0.25), ("1.5s", 1.5), ("2d", 172800), (3, 3), (0.5, 0.5), (timedelta(minutes=1), 60)],
)
def test_what_is_a_duration(written: str | float | timedelta, expected: float) -> None:
    assert seconds(written) == pytest.approx(expected)


@pytest.mark.parametrize("written", ["", "10", "s", "1 m", "-5s", "5x"])
def test_what_is_none(written: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        seconds(written)
