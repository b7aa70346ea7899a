"""The queue's promises."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import PodSchedulingGate
from pilothouse.kit.virtual_clock import VirtualClock, wait_until_idle
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import Wake
from pilothouse.scheduler.queue import QueuedPod, SchedulingQueue
from tests.unit.scheduler.objects import facts


class Bench:
    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        wakes = [("Fit", [Wake("Pod", "Delete")]), ("Ports", [Wake("Pod", "Delete", lambda pod, old, new: old == "port")])]
        self.queue = SchedulingQueue(clock, lambda pod, since: (-pod.priority, since), self.gate, wakes)

    @staticmethod
    def gate(pod: PodFacts) -> tuple[str, str]:
        return ("SchedulingGates", "gated") if pod.pod.spec.schedulingGates else ("", "")

    def taken(self) -> list[str]:
        """The names of all that can be had now."""
        found: list[str] = []
        while (entry := self.queue._next()) is not None:
            entry.place = "taken"
            entry.attempts += 1
            found.append(entry.facts.pod.metadata.name)
        return found

    async def take(self) -> QueuedPod:
        return await asyncio.wait_for(self.queue.pop(), 60)


@pytest.fixture
def bench() -> Bench:
    return Bench(VirtualClock())


def test_higher_priority_first_then_who_came_first(bench: Bench) -> None:
    for name, priority in (("a", 0), ("b", 5), ("c", 0)):
        bench.queue.add(facts(name, priority=priority))
    assert bench.taken() == ["b", "a", "c"]


async def test_a_pod_comes_out_once(bench: Bench) -> None:
    one = facts("a")
    bench.queue.add(one)
    await bench.take()
    bench.queue.update(one, changed=True)
    assert bench.taken() == []


@pytest.mark.parametrize(
    ("rejected_by", "what", "woken"),
    [
        pytest.param({"Fit"}, "anything", True, id="an event that the plugin declared"),
        pytest.param({"Other"}, "anything", False, id="an event that it did not declare"),
        pytest.param({"Ports"}, "port", True, id="an event whose hint says yes"),
        pytest.param({"Ports"}, "disk", False, id="an event whose hint says no"),
        pytest.param({"Ports", "Fit"}, "disk", True, id="any of the plugins suffices"),
    ],
)
async def test_events_wake(bench: Bench, rejected_by: set[str], what: Any, woken: bool) -> None:
    bench.queue.add(facts("a"))
    bench.queue.sleep(await bench.take(), rejected_by)
    assert bench.taken() == []
    bench.queue.move_on_event("Pod", "Delete", what, None)
    assert bench.taken() == (["a"] if woken else [])


async def test_what_was_just_tried_comes_after_what_was_not(bench: Bench) -> None:
    bench.queue.add(facts("tried", priority=9))
    bench.queue.sleep(await bench.take(), {"Fit"})
    bench.queue.move_on_event("Pod", "Delete", None, None)
    bench.queue.add(facts("new"))
    assert bench.taken() == ["new", "tried"]


async def test_nobody_sleeps_longer_than_five_minutes(bench: Bench) -> None:
    running = asyncio.create_task(bench.queue.run())
    bench.queue.add(facts("a"))
    bench.queue.sleep(await bench.take(), {"Nothing"})
    await bench.clock.advance(299)
    assert bench.taken() == []
    await bench.clock.advance(2)
    assert bench.taken() == ["a"]
    running.cancel()


async def test_failures_back_off_twice_as_long_each_time_up_to_ten_seconds(bench: Bench) -> None:
    running = asyncio.create_task(bench.queue.run())
    bench.queue.add(facts("a"))
    waits = []
    for _ in range(6):
        entry = await bench.take()
        before = bench.clock.monotonic()
        bench.queue.fail(entry)
        await wait_until_idle()
        while bench.queue.place_of(entry.facts.uid) == "failed":
            deadline = bench.clock.next_deadline()
            assert deadline is not None
            await bench.clock.advance(deadline - bench.clock.monotonic())
        waits.append(bench.clock.monotonic() - before)
    assert waits == [1, 2, 4, 8, 10, 10]
    running.cancel()


async def test_with_nothing_to_wait_for_no_timer_runs(bench: Bench) -> None:
    running = asyncio.create_task(bench.queue.run())
    bench.queue.add(facts("a"))
    await bench.take()
    await wait_until_idle()
    assert bench.clock.next_deadline() is None
    running.cancel()


def test_gates_hold_a_pod_until_they_are_gone(bench: Bench) -> None:
    one = facts("a", schedulingGates=[PodSchedulingGate(name="x")])
    assert bench.queue.add(one) == "gated"
    assert bench.taken() == []
    one.pod.spec.schedulingGates = []
    bench.queue.update(one, changed=True)
    assert bench.taken() == ["a"]


async def test_a_removed_pod_does_not_come_back(bench: Bench) -> None:
    one = facts("a")
    bench.queue.add(one)
    entry = await bench.take()
    bench.queue.remove(one.uid)
    bench.queue.sleep(entry, {"Fit"})
    bench.queue.move_on_event("Pod", "Delete", None, None)
    assert bench.taken() == []
    assert len(bench.queue) == 0
