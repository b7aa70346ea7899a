"""A virtual clock wakes its sleepers in order and lets everything that a wake-up causes happen before the next."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.kit.clock import wait_for
from pilothouse.kit.virtual_clock import EPOCH, VirtualClock, wait_until_idle


async def test_time_stands_still_until_it_is_moved() -> None:
    clock = VirtualClock()
    task = asyncio.create_task(clock.sleep(10))
    await wait_until_idle()
    assert not task.done()
    await clock.advance(9.5)
    assert not task.done()
    await clock.advance(0.5)
    assert task.done()
    assert (clock.now() - EPOCH).total_seconds() == 10


async def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    clock, woken = VirtualClock(), []

    async def sleeper(name: str, *seconds: float) -> None:
        for duration in seconds:
            await clock.sleep(duration)
            woken.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(sleeper("a", 3, 3)), asyncio.create_task(sleeper("b", 1, 1, 2)), asyncio.create_task(sleeper("c", 3))]
    await clock.advance(100)
    await asyncio.gather(*tasks)
    assert woken == [("b", 1), ("b", 2), ("a", 3), ("c", 3), ("b", 4), ("a", 6)]


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = VirtualClock()
    task = asyncio.create_task(clock.sleep(5))
    await wait_until_idle()
    task.cancel()
    await wait_until_idle()
    assert clock.next_deadline() is None


async def test_what_spins_is_called_a_livelock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.kit.virtual_clock.CALLBACKS_LIMIT", 3_000)

    async def spin() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    task = asyncio.create_task(spin())
    with pytest.raises(RuntimeError, match="spinning"):
        await wait_until_idle()
    task.cancel()


async def test_waiting_ends_with_the_work_or_with_the_time() -> None:
    clock = VirtualClock()
    event = asyncio.Event()
    event.set()
    assert await wait_for(clock, event.wait(), 5) is True
    late = asyncio.create_task(wait_for(clock, asyncio.Event().wait(), 5))
    await clock.advance(5)
    with pytest.raises(TimeoutError):
        await late
    assert clock.next_deadline() is None


async def test_a_sleeper_that_is_cancelled_at_the_moment_it_wakes_holds_nobody_up() -> None:
    clock = VirtualClock()
    work = asyncio.create_task(wait_for(clock, clock.sleep(5), 5))
    await clock.advance(5)
    assert work.done()
    late = asyncio.create_task(clock.sleep(5))
    clock.call_after(1, late.cancel)
    waiting = asyncio.create_task(wait_for(clock, clock.sleep(3), 3))
    await clock.advance(10)
    assert late.cancelled()
    assert waiting.done()
    assert waiting.exception() is None or isinstance(waiting.exception(), TimeoutError)


async def test_a_timer_that_fails_stops_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    clock, called = VirtualClock(), []

    def fail() -> None:
        raise ValueError("bad callback")

    clock.call_after(1, fail)
    clock.call_after(1, lambda: called.append(clock.monotonic()))
    await clock.advance(2)
    assert called == [1]
    assert "bad callback" in caplog.text
