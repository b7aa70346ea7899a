"""Work that costs do not count: copies and comparisons of large values, bounded for each evaluation.

cel-go charges 1 for `list + list` and a tenth of the outer size for `==`, whatever is inside; it also shares lists instead of copying them.
So a short expression may build a value that would take hours and gigabytes to copy or compare. Whoever goes through a value calls `spend`.
"""

from __future__ import annotations

import threading

from pilothouse.cel.errors import CostLimitExceeded

LIMIT = 2_000_000
"""Items and entries that one evaluation may copy or compare: at most two seconds. No object that fits into a request has as many."""


class _Local(threading.local):
    left = LIMIT
    nested = 0


_LOCAL = _Local()


def spend(items: int) -> None:
    """Count items that are about to be copied or compared; ends the evaluation when they are too many."""
    _LOCAL.left -= items
    if _LOCAL.left < 0:
        raise CostLimitExceeded


def begin() -> None:
    """Start an evaluation; what it evaluates on its way shares its bound. Call `end` when it is over, whatever came of it."""
    if not _LOCAL.nested:
        _LOCAL.left = LIMIT
    _LOCAL.nested += 1


def end() -> None:
    """The evaluation is over."""
    _LOCAL.nested -= 1
