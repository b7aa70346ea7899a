"""What a rule has found right lately need not be judged again: Pods of one template differ in hardly more than their names.

Only for rules that look at nothing but the value itself. Values are compared whole, by their JSON; what was wrong, or odd, is
never remembered, so that it is told with its paths each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pilothouse.machinery.codec import encode
from pilothouse.machinery.problems import Problems

T = TypeVar("T")

REMEMBERED = 256
"""Values a rule; when there are more, it begins anew."""
LARGEST_BYTES = 8 * 1024


class Memory:
    """The values in which one rule has found nothing."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def __contains__(self, key: bytes) -> bool:
        return key in self._known

    def keep(self, key: bytes) -> None:
        """Remember a value that passed. Values above LARGEST_BYTES are not kept; all are forgotten when there are too many."""
        if len(key) > LARGEST_BYTES:
            return
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known.add(key)


def remembering(rule: Callable[[T, Problems], None]) -> Callable[[T, Problems], None]:
    """Decorator of such a rule. What is empty is right, and not even asked about."""
    right = Memory()

    def judge(value: Any, problems: Problems) -> None:
        if not value:
            return
        key = encode(value)
        if key in right:
            return
        before = len(problems.found)
        rule(value, problems)
        if len(problems.found) == before:
            right.keep(key)

    return judge
