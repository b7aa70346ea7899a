"""IntOrString: a number, or a percentage of one (`25%`)."""

from __future__ import annotations

import re

from pilothouse.machinery import strconv

PERCENTAGE = re.compile(r"([0-9]+)%")


def scaled(value: int | str | None, total: int, round_up: bool) -> int:
    """`value` itself, or that percentage of `total`, rounded up or down; ValueError in upstream's words for other text."""
    if value is None:
        raise ValueError("nil value for IntOrString")
    if isinstance(value, int):
        return value
    percentage = percents(value)
    if percentage is None:
        problem = "invalid type: string is not a percentage" if not value.endswith("%") else f'invalid value "{value}"'
        raise ValueError(f"invalid value for IntOrString: {problem}")
    product = percentage * total
    return -(-product // 100) if round_up else product // 100


def percents(value: str) -> int | None:
    """The number before the sign of a percentage, at most that of 64 bits; None for other text."""
    match = PERCENTAGE.fullmatch(value)
    if match is None:
        return None
    number = strconv.integer(match[1])
    return strconv.INT64[-1] if number is None else number
