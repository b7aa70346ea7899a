"""Rules that upstream checks by declarations (KEP-5073): other words than the hand-written ones, and after them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pilothouse.api.core.validation.fields import report
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

LONGEST_DRIVER = 63
MIXED_SUBDOMAIN = r"[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*"


def in_bytes(messages: Iterable[str]) -> list[str]:
    """The words of declared rules: lengths count in bytes."""
    return [re.sub(r"^(.*must be no more than \d+) characters$", r"\1 bytes", message) for message in messages]


def validate_declared_driver(name: str, problems: Problems) -> None:
    """Name of a driver in the words of declarative validation."""
    if not name:
        problems.required()
        return
    if len(name) > LONGEST_DRIVER:
        problems.too_long(LONGEST_DRIVER, "characters")
    wrong = in_bytes([names.too_long(names.SUBDOMAIN_LIMIT)]) if len(name) > names.SUBDOMAIN_LIMIT else []
    if not re.fullmatch(MIXED_SUBDOMAIN, name):
        rule = (
            "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        wrong.append(names.mismatch(rule, names.SUBDOMAIN, "Example.com"))  # upstream shows the expression of lower case
    report(wrong, name, problems)
