"""What a rule has found right lately need not be judged again: Pods of one template differ in hardly more than their names.

Only for rules that look at nothing but the value itself. Values are compared whole, by their JSON; what was wrong is never
remembered, so that its problems are told with their paths each time.
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


def remembering(rule: Callable[[T, Problems], None]) -> Callable[[T, Problems], None]:
    """Decorator of such a rule. What is empty is right, and not even asked about."""
    known: set[bytes] = set()

    def judge(value: Any, problems: Problems) -> None:
        if not value:
            return
        key = encode(value)
        if key in known:
            return
        before = len(problems.found)
        rule(value, problems)
        if len(problems.found) == before and len(key) <= LARGEST_BYTES:
            if len(known) >= REMEMBERED:
                known.clear()
            known.add(key)

    return judge
