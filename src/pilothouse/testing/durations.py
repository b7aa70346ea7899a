"""Durations as people write them: "24h", "1m30s", "250ms", a number of seconds, or a timedelta."""

from __future__ import annotations

import re
from datetime import timedelta

from pilothouse.machinery import strconv

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def seconds(duration: str | float | timedelta) -> float:
    """The duration in seconds; ValueError for a text that is none."""
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, int | float):
        return float(duration)
    parts = PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f'{duration!r} is no duration: write it as "24h", "1m30s" or "250ms"')
    return sum(strconv.parse_float(number) * UNITS[unit] for number, unit in parts)
