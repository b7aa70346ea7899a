"""Answers that are good for some time, as many as a limit allows.

What is remembered of others' answers (webhooks, the API server) depends on what clients ask, so it has a bound: beyond it the answer that
was kept first is forgotten first.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from pilothouse.kit.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")


class ExpiringCache(Generic[K, V]):
    """Values by key, each until its time is over."""

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock, self._limit = clock, limit
        self._kept: dict[K, tuple[V, float]] = {}

    def get(self, key: K, default: D) -> V | D:
        """The value of a key, or `default` when there is none whose time has not come."""
        kept = self._kept.get(key)
        return default if kept is None or kept[1] <= self._clock.monotonic() else kept[0]

    def put(self, key: K, value: V, seconds: float) -> None:
        """Keep a value for so many seconds."""
        if key not in self._kept and len(self._kept) >= self._limit:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = value, self._clock.monotonic() + seconds
