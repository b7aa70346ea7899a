"""Calls that may block: their deadline is kept, and what hangs is in nobody else's way."""

from __future__ import annotations

import asyncio
import errno
import threading

import pytest

from pilothouse.kit.blocking import BlockingCalls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.virtual_clock import VirtualClock


class Hanging:
    """A volume that answers nobody until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.begun = threading.Event()

    def stat(self) -> str:
        self.begun.set()
        assert self.released.wait(60)
        return "late"


async def expired(calls: BlockingCalls, clock: VirtualClock, key: str, volume: Hanging) -> int:
    """The errno with which a call that hangs ends for its caller."""
    waiting = asyncio.ensure_future(calls.run(key, 5, volume.stat))
    await asyncio.to_thread(volume.begun.wait)
    await clock.advance(6)
    with pytest.raises(OSError, match=key) as caught:
        await waiting
    return caught.value.errno or 0


async def test_a_call_gives_its_result_or_its_error() -> None:
    calls = BlockingCalls(SystemClock())
    assert await calls.run("/a", 60, lambda: 3) == 3
    with pytest.raises(FileNotFoundError):
        await calls.run("/a", 60, open, "/there/is/none")


async def test_a_call_that_hangs_ends_for_its_caller_and_others_under_its_key_fail_at_once() -> None:
    clock, volume = VirtualClock(), Hanging()
    calls = BlockingCalls(clock)
    assert await expired(calls, clock, "/nfs", volume) == errno.ETIMEDOUT
    with pytest.raises(OSError, match="has not returned") as caught:
        await calls.run("/nfs", 5, lambda: "never called")
    assert caught.value.errno == errno.EBUSY
    assert await calls.run("/disk", 5, lambda: "at once") == "at once"
    volume.released.set()


async def test_a_call_that_returned_late_is_in_nobodys_way_any_more() -> None:
    clock, volume = VirtualClock(), Hanging()
    calls = BlockingCalls(clock)
    await expired(calls, clock, "/nfs", volume)
    volume.released.set()
    for _ in range(1000):
        try:
            assert await calls.run("/nfs", 5, lambda: "again") == "again"
            return
        except OSError:
            await asyncio.sleep(0.001)
    raise AssertionError("the key is still taken")


async def test_calls_that_hang_leave_threads_to_others() -> None:
    clock, volumes = VirtualClock(), [Hanging() for _ in range(20)]
    calls = BlockingCalls(clock, threads=32)
    for index, volume in enumerate(volumes):
        await expired(calls, clock, f"/nfs-{index}", volume)
    found = await asyncio.gather(*(calls.run(f"/disk-{index}", 5, lambda: 1) for index in range(50)))
    assert sum(found) == 50
    for volume in volumes:
        volume.released.set()


async def test_a_call_that_nobody_waits_for_any_more_never_begins() -> None:
    clock, volume, made = VirtualClock(), Hanging(), []
    calls = BlockingCalls(clock, threads=1)
    first = asyncio.ensure_future(calls.run("/first", 60, volume.stat))
    await asyncio.to_thread(volume.begun.wait)
    second = asyncio.ensure_future(calls.run("/second", 60, lambda: made.append(1)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    volume.released.set()
    assert await first == "late"
    assert await calls.run("/third", 60, lambda: 3) == 3
    assert made == []
