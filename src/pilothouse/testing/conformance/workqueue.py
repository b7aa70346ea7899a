"""Conformance tests of a work queue: inherit `WorkQueueConformance`, and make one.

class TestMine(WorkQueueConformance):
    def make(self, clock): return MyQueue(clock)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pilothouse.client.workqueue import ShutDown
from pilothouse.kit.clock import Clock
from pilothouse.kit.virtual_clock import VirtualClock, wait_until_idle


class WorkQueueConformance:
    """Tests of the promises of every work queue; implement `make`."""

    def make(self, clock: Clock) -> Any:
        """The queue under test; to be overridden."""
        raise NotImplementedError

    @asynccontextmanager
    async def queue(self) -> AsyncIterator[tuple[Any, VirtualClock]]:
        """A running queue and its clock."""
        clock = VirtualClock()
        queue = self.make(clock)
        running = asyncio.ensure_future(queue.run())
        try:
            yield queue, clock
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def test_hands_out_in_the_order_of_adding(self) -> None:
        async with self.queue() as (queue, _):
            for item in "cab":
                queue.add(item)
            assert [await queue.get() for _ in range(3)] == ["c", "a", "b"]

    async def test_hands_out_once_what_was_added_twice(self) -> None:
        async with self.queue() as (queue, _):
            queue.add("a")
            queue.add("a")
            assert len(queue) == 1
            assert await queue.get() == "a"
            assert len(queue) == 0

    async def test_hands_out_again_what_was_added_during_its_work_but_not_before_it_is_done(self) -> None:
        async with self.queue() as (queue, _):
            queue.add("a")
            item = await queue.get()
            queue.add("a")
            queue.add("a")
            assert len(queue) == 0
            queue.done(item)
            assert len(queue) == 1
            assert await queue.get() == "a"
            queue.done("a")
            assert len(queue) == 0

    async def test_what_comes_back_goes_behind_what_waits(self) -> None:
        async with self.queue() as (queue, _):
            queue.add("a")
            await queue.get()
            queue.add("a")
            queue.add("b")
            queue.done("a")
            assert [await queue.get(), await queue.get()] == ["b", "a"]

    async def test_waiting_workers_are_served_one_item_each(self) -> None:
        async with self.queue() as (queue, _):
            workers = [asyncio.ensure_future(queue.get()) for _ in range(3)]
            await wait_until_idle()
            queue.add("a")
            queue.add("b")
            await wait_until_idle()
            assert [worker.result() for worker in workers if worker.done()] == ["a", "b"]
            workers[2].cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def test_a_cancelled_worker_loses_no_item(self) -> None:
        async with self.queue() as (queue, _):
            first, second = asyncio.ensure_future(queue.get()), asyncio.ensure_future(queue.get())
            await wait_until_idle()
            queue.add("a")
            first.cancel()
            await wait_until_idle()
            assert await second == "a"

    async def test_a_delayed_add_comes_when_its_time_has_come(self) -> None:
        async with self.queue() as (queue, clock):
            queue.add_after("a", 10)
            await clock.advance(9.9)
            assert len(queue) == 0
            await clock.advance(0.2)
            assert len(queue) == 1

    async def test_of_two_delayed_adds_the_earlier_counts(self) -> None:
        async with self.queue() as (queue, clock):
            queue.add_after("a", 10)
            queue.add_after("a", 3)
            queue.add_after("a", 20)
            await clock.advance(3)
            assert await queue.get() == "a"
            queue.done("a")
            await clock.advance(60)
            assert len(queue) == 0

    async def test_delayed_adds_come_in_the_order_of_their_times(self) -> None:
        async with self.queue() as (queue, clock):
            queue.add_after("late", 5)
            queue.add_after("early", 1)
            await clock.advance(5)
            assert [await queue.get(), await queue.get()] == ["early", "late"]

    async def test_a_delay_that_is_not_positive_adds_at_once(self) -> None:
        async with self.queue() as (queue, _):
            queue.add_after("a", 0)
            assert len(queue) == 1

    async def test_waits_twice_as_long_with_each_failure_until_forgotten(self) -> None:
        async with self.queue() as (queue, clock):
            for delay in (0.005, 0.010, 0.020):
                queue.add_rate_limited("a")
                await clock.advance(delay - 0.001)
                assert len(queue) == 0
                await clock.advance(0.002)
                queue.done(await queue.get())
            assert queue.requeues("a") == 3
            queue.forget("a")
            assert queue.requeues("a") == 0
            queue.add_rate_limited("a")
            await clock.advance(0.006)
            assert len(queue) == 1

    async def test_after_the_burst_failures_of_all_items_share_a_rate(self) -> None:
        async with self.queue() as (queue, clock):
            for number in range(120):
                queue.add_rate_limited(str(number))
            await clock.advance(0.05)
            assert len(queue) == 100
            await clock.advance(1.0)
            assert len(queue) == 110

    async def test_once_shut_down_takes_nothing_in_and_hands_out_the_rest(self) -> None:
        async with self.queue() as (queue, clock):
            queue.add("a")
            queue.add_after("later", 1)
            await queue.shut_down()
            queue.add("b")
            await clock.advance(2)
            assert await queue.get() == "a"
            with pytest.raises(ShutDown):
                await queue.get()

    async def test_shutting_down_wakes_the_workers_that_wait(self) -> None:
        async with self.queue() as (queue, _):
            workers = [asyncio.ensure_future(queue.get()) for _ in range(3)]
            await wait_until_idle()
            await queue.shut_down()
            results = await asyncio.gather(*workers, return_exceptions=True)
            assert [type(result) for result in results] == [ShutDown] * 3

    async def test_shutting_down_with_drain_waits_for_the_work_at_hand(self) -> None:
        async with self.queue() as (queue, _):
            queue.add("a")
            queue.add("b")
            first = await queue.get()
            draining = asyncio.ensure_future(queue.shut_down(drain=True))
            await wait_until_idle()
            assert not draining.done()
            queue.done(first)
            queue.done(await queue.get())
            await wait_until_idle()
            assert draining.done()

    async def test_shutting_down_without_drain_does_not_wait(self) -> None:
        async with self.queue() as (queue, _):
            queue.add("a")
            await queue.get()
            await asyncio.wait_for(queue.shut_down(), 5)
