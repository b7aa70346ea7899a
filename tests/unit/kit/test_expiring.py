"""Answers are good for their time, and no more are kept than there may be."""

from __future__ import annotations

from pilothouse.kit.expiring import ExpiringCache
from pilothouse.kit.virtual_clock import VirtualClock


async def test_a_value_is_kept_for_its_time() -> None:
    clock = VirtualClock()
    cache: ExpiringCache[str, str | None] = ExpiringCache(clock, 8)
    assert cache.get("a", "missing") == "missing"
    cache.put("a", None, 10)
    cache.put("b", "x", 20)
    await clock.advance(9.9)
    assert (cache.get("a", "missing"), cache.get("b", "missing")) == (None, "x")
    await clock.advance(0.1)
    assert (cache.get("a", "missing"), cache.get("b", "missing")) == ("missing", "x")
    cache.put("a", "again", 5)
    assert cache.get("a", "missing") == "again"


async def test_beyond_the_limit_the_first_is_forgotten_first() -> None:
    cache: ExpiringCache[int, int] = ExpiringCache(VirtualClock(), 3)
    for number in range(3):
        cache.put(number, number, 60)
    cache.put(1, 10, 60)  # known already: nothing has to go
    assert [cache.get(number, None) for number in range(3)] == [0, 10, 2]
    cache.put(3, 3, 60)
    assert [cache.get(number, None) for number in range(4)] == [None, 10, 2, 3]
