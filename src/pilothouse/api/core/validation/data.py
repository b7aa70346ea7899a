"""Validation shared by ConfigMap and Secret: base64 values, size limit, immutability."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pilothouse.machinery.octets import decoded
from pilothouse.machinery.problems import Problems

MAXIMUM_BYTES = 1024 * 1024
FROZEN = "field is immutable when `immutable` is set"


def decoded_size(value: str, problems: Problems) -> int:
    """Bytes of a base64 value; bad base64 is reported and counts 0."""
    content = decoded(value)
    if content is None:
        problems.invalid(value, "illegal base64 data")
        return 0
    return len(content)


def validate_frozen(old: Any, new: Any, fields: Iterable[str], problems: Problems) -> None:
    """Report changes of the data or of `immutable` once that is set."""
    if not old.immutable:
        return
    if not new.immutable:
        problems.at("immutable").forbidden(FROZEN)
    for field in fields:
        if getattr(new, field) != getattr(old, field):
            problems.at(field).forbidden(FROZEN)
