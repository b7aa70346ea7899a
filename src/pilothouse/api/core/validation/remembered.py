"""Caching of validation results: Pods of one template differ in little more than their names.

Only for rules that look at nothing but the value itself. Values are compared whole, by their JSON; what was wrong, or odd, is
never remembered, so that it is told with its paths each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pilothouse.machinery.codec import encode
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.said_empty import is_anything_said

T = TypeVar("T")

REMEMBERED = 256
"""Values a rule; when there are more, it begins anew."""
LARGEST_BYTES = 8 * 1024


class Memory(Generic[T]):
    """Values in which one rule has found nothing, by their JSON."""

    def __init__(self) -> None:
        self._known: dict[bytes, T] = {}

    def get(self, key: bytes) -> T | None:
        """The value with this JSON that was kept."""
        return self._known.get(key)

    def keep(self, key: bytes, value: T) -> None:
        """Remember a value that passed. Values above LARGEST_BYTES are not kept; all are forgotten when there are too many."""
        if len(key) > LARGEST_BYTES:
            return
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[key] = value


def remembering(rule: Callable[[T, Problems], None]) -> Callable[[T, Problems], None]:
    """Decorator of such a rule. What is empty is right, and not even asked about."""
    right = Memory[bool]()

    def judge(value: T, problems: Problems) -> None:
        if not value:
            return
        if is_anything_said():
            rule(value, problems)
            return
        key = encode(value)
        if right.get(key):
            return
        before = len(problems.found)
        rule(value, problems)
        if len(problems.found) == before:
            right.keep(key, True)

    return judge


class SharedRule(Generic[T]):
    """A cached rule that also returns one shared instance for equal values.

    Nobody may change what it has returned: it is part of other objects, too.
    """

    def __init__(self, rule: Callable[[T, Problems], None]) -> None:
        self._rule = rule
        self._right = Memory[T]()
        self._last: tuple[Any, bytes] = (None, b"")

    def judge(self, value: T, problems: Problems) -> T:
        """The first valid value with the same JSON, or this one; errors go to `problems`."""
        key = encode(value)
        if is_anything_said():  # which the JSON does not tell
            self._rule(value, problems)
            self._last = value, key
            return value
        known = self._right.get(key)
        if known is None:
            known, before = value, len(problems.found)
            self._rule(value, problems)
            if len(problems.found) == before:
                self._right.keep(key, value)
        self._last = known, key
        return known

    def key(self, value: T) -> bytes:
        """The JSON of a value; that of the one that was judged last is at hand."""
        last, key = self._last
        return key if last is value else encode(value)
