from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from pilothouse.kit.clock import Timer, wait_for
from pilothouse.kit.running_clock import RunningClock
from pilothouse.kit.virtual_clock import EPOCH, VirtualClock


class Machine(VirtualClock):
    """The machine's time, moved by the test: `run(seconds)` lets it pass."""

    async def run(self, seconds: float) -> None:
        await self.advance(seconds)


async def test_sleepers_wake_while_the_machine_runs() -> None:
    machine = Machine()
    clock = RunningClock(machine)
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(clock.monotonic())

    async with asyncio.TaskGroup() as group:
        for seconds in (3.0, 1.0, 2.0):
            group.create_task(sleeper(seconds))
        await machine.run(1.5)
        assert woken == [1.0]
        await machine.run(10)
    assert woken == [1.0, 2.0, 3.0]


async def test_advance_does_all_that_falls_due_and_time_runs_on_from_there() -> None:
    machine = Machine()
    clock = RunningClock(machine)
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await clock.sleep(60)
            ticks.append(clock.monotonic())

    async with asyncio.TaskGroup() as group:
        task = group.create_task(tick())
        await machine.run(30)
        await clock.advance(3600)
        assert (len(ticks), clock.monotonic(), machine.monotonic()) == (60, 3630, 30)
        assert clock.now() == EPOCH + timedelta(seconds=3630)
        await machine.run(30)
        assert len(ticks) == 61
        task.cancel()


async def test_a_timer_that_is_cancelled_wakes_nobody() -> None:
    machine = Machine()
    clock = RunningClock(machine)
    called: list[str] = []
    first: Timer = clock.call_after(1, lambda: called.append("first"))
    clock.call_after(2, lambda: called.append("second"))
    first.cancel()
    await machine.run(5)
    assert called == ["second"]


async def test_what_waits_too_long_is_told() -> None:
    machine = Machine()
    clock = RunningClock(machine)
    late: list[float] = []

    async def wait() -> None:
        with pytest.raises(TimeoutError):
            await wait_for(clock, asyncio.Event().wait(), 5)
        late.append(clock.monotonic())

    async with asyncio.TaskGroup() as group:
        group.create_task(wait())
        await machine.run(6)
    assert late == [5.0]


async def test_it_begins_at_the_machines_time() -> None:
    machine = Machine()
    await machine.run(100)
    assert RunningClock(machine).now() == machine.now()
