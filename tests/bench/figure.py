"""One measured figure, printed as a line: NAME VALUE UNIT TARGET ok|short."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def report(name: str, value: float, unit: str, *, at_most: float | None = None, at_least: float | None = None) -> None:
    """Print one figure with its target; a figure without one is context, and says `-`."""
    met = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    target = f"<={at_most:g}" if at_most is not None else f">={at_least:g}" if at_least is not None else "-"
    print(f"{name} {value:.3f} {unit} {target} {'ok' if met else 'short'}", flush=True)


def p50(values: Sequence[float]) -> float:
    return statistics.median(values)
