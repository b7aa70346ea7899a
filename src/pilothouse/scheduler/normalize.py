"""From raw scores to 0..100, relative to the best of the feasible nodes."""

from __future__ import annotations

from pilothouse.scheduler.framework.interfaces import Scores


def percent(scores: Scores) -> Scores:
    """The highest raw score becomes 100."""
    highest = int(scores.max(initial=0))
    return scores if highest == 0 else scores * 100 // highest


def reversed_percent(scores: Scores) -> Scores:
    """The highest raw score becomes 0, a raw zero 100."""
    return 100 - percent(scores)
