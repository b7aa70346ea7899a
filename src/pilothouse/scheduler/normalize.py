"""Normalizing of raw scores to 0..100, relative to the best feasible node."""

from __future__ import annotations

from pilothouse.scheduler.framework.interfaces import Scores


def percent(scores: Scores) -> Scores:
    """Scale so that the highest raw score becomes 100."""
    highest = int(scores.max(initial=0))
    return scores if highest == 0 else scores * 100 // highest


def reversed_percent(scores: Scores) -> Scores:
    """Scale so that the highest raw score becomes 0, and a raw zero 100."""
    return 100 - percent(scores)
