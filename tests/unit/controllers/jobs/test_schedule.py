"""Schedules and completion indexes."""

from __future__ import annotations

import pytest

from pilothouse.controllers.jobs import indexes, schedule
from pilothouse.machinery import time


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        pytest.param("* * * * *", "", "2025-01-01T00:00:30Z", "2025-01-01T00:01:00Z", id="each minute"),
        pytest.param("*/15 9-17 * * mon-fri", "", "2025-01-03T17:50:00Z", "2025-01-06T09:00:00Z", id="steps, ranges, names"),
        pytest.param("0 0 31 * *", "", "2025-02-01T00:00:00Z", "2025-03-31T00:00:00Z", id="months without that day"),
        pytest.param("0 0 13 * fri", "", "2025-01-01T00:00:00Z", "2025-01-03T00:00:00Z", id="either day is enough"),
        pytest.param("0 0 ? * 0", "", "2025-01-01T00:00:00Z", "2025-01-05T00:00:00Z", id="question mark"),
        pytest.param("0 0 29 2 *", "", "2025-01-01T00:00:00Z", "2028-02-29T00:00:00Z", id="leap day"),
        pytest.param("0 0 30 2 *", "", "2025-01-01T00:00:00Z", None, id="never"),
        pytest.param("@hourly", "", "2025-01-01T00:00:00Z", "2025-01-01T01:00:00Z", id="descriptor"),
        pytest.param("@every 90s", "", "2025-01-01T00:00:00Z", "2025-01-01T00:01:30Z", id="every"),
        pytest.param("30 2 * * *", "Europe/Berlin", "2025-03-29T12:00:00Z", "2025-03-31T00:30:00Z", id="an hour that is skipped"),
        pytest.param("0 9 * * *", "Asia/Tokyo", "2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z", id="time zone"),
    ],
)
def test_the_next_time(text: str, zone: str, after: str, expected: str | None) -> None:
    found = schedule.parse(text, zone).after(time.parse(after))
    assert (found and time.text(found)) == expected


@pytest.mark.parametrize("text", ["", "* * * *", "60 * * * *", "* * * * 8", "a * * * *", "*/0 * * * *", "5-1 * * * *"])
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        schedule.parse(text)


@pytest.mark.parametrize(("text", "found"), [("", set()), ("3", {3}), ("0,1", {0, 1}), ("0-2,5", {0, 1, 2, 5})])
def test_indexes(text: str, found: set[int]) -> None:
    assert indexes.parse(text) == found
    assert indexes.text(found) == text
