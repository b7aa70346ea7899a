"""IntOrString: a number, or a percentage of one (`25%`)."""

from __future__ import annotations

import re

PERCENTAGE = re.compile(r"([0-9]+)%")


def scaled(value: int | str | None, total: int, round_up: bool) -> int:
    """`value` itself, or that percentage of `total`, rounded up or down; ValueError in upstream's words for other text."""
    if value is None:
        raise ValueError("nil value for IntOrString")
    if isinstance(value, int):
        return value
    match = PERCENTAGE.fullmatch(value)
    if match is None:
        problem = "invalid type: string is not a percentage" if not value.endswith("%") else f'invalid value "{value}"'
        raise ValueError(f"invalid value for IntOrString: {problem}")
    product = int(match[1]) * total
    return -(-product // 100) if round_up else product // 100
