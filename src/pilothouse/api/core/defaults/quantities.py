"""Canonical form of resource lists, rounded up to thousandths as upstream rounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilothouse.kit.remember import remember
from pilothouse.machinery import quantity
from pilothouse.machinery.struct import Quantity

REMEMBERED = 4096
MILLI = 10**6
"""Billionths in a thousandth: what the machinery counts in."""


@remember(REMEMBERED)
def canonical(value: Quantity) -> str:
    """Canonical form of a quantity; invalid ones are kept for validation to report."""
    try:
        parsed = quantity.parse(value)
    except ValueError:
        return str(value)
    rest = parsed.nanos % MILLI
    if rest:
        up = MILLI - rest if parsed.nanos > 0 else -rest
        parsed = quantity.Quantity(parsed.nanos + up, parsed.format)
    return str(parsed)


def exact(value: Quantity) -> str:
    """The canonical form of a quantity that stands alone: nothing is rounded."""
    try:
        return str(quantity.parse(value))
    except ValueError:
        return str(value)


def exact_fields(obj: Any, *names: str) -> None:
    """Put the named quantities of a struct, those that it has, into their canonical form."""
    for name in names:
        if getattr(obj, name) is not None:
            setattr(obj, name, exact(getattr(obj, name)))


def canonicalise(resources: dict[str, Quantity]) -> None:
    """Put every quantity of a resource list into its canonical form."""
    for name, value in resources.items():
        resources[name] = canonical(value)


def fill(target: dict[str, Quantity], source: Mapping[str, Quantity]) -> None:
    """Take from `source` what `target` does not say."""
    for name, value in source.items():
        target.setdefault(name, value)
