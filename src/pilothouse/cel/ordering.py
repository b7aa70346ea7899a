"""Order and equality as the list functions of Kubernetes and cel-go use them: what cannot be compared is passed over."""

from __future__ import annotations

from typing import Any

from pilothouse.cel.errors import ABORTS, EvaluationError
from pilothouse.cel.types import BOOL, BYTES, DOUBLE, DURATION, INT, STRING, TIMESTAMP, UINT
from pilothouse.cel.values import Duration, Timestamp, Uint, compare, equal

ORDERED = {
    **{"int": INT, "uint": UINT, "double": DOUBLE, "bool": BOOL, "duration": DURATION},
    **{"timestamp": TIMESTAMP, "string": STRING, "bytes": BYTES},
}
"""Types whose values have an order, by the names that overloads use."""
ORDERED_CLASSES = (int, Uint, float, bool, str, bytes, Timestamp, Duration)


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal; values that cannot be compared are not."""
    try:
        return equal(left, right)
    except ABORTS:
        raise
    except EvaluationError:
        return False


def order(left: Any, right: Any) -> int:
    """-1, 0 or 1; 0 for what has no order, as upstream passes it over."""
    try:
        return compare(left, right)
    except ABORTS:
        raise
    except EvaluationError:
        return 0
