from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pilothouse.kit import restarts
from pilothouse.kit.virtual_clock import VirtualClock


@pytest.mark.parametrize(
    ("ran", "expected"),
    [
        pytest.param([0.0] * 4, [0.5, 1.0, 2.0, 4.0], id="doubles"),
        pytest.param([0.0] * 9, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0], id="is bounded"),
        pytest.param([0.0, 0.0, restarts.STEADY_SECONDS, 0.0], [0.5, 1.0, 0.5, 1.0], id="begins anew after a steady run"),
    ],
)
def test_the_delay_before_a_restart(ran: list[float], expected: list[float]) -> None:
    back_off = restarts.BackOff()
    assert [back_off.next_delay(seconds) for seconds in ran] == expected
    assert back_off.restarts == len(ran)


class Failing:
    """Fails after so many seconds."""

    def __init__(self, clock: VirtualClock, seconds: float, runs: list[float]) -> None:
        self.clock, self.seconds, self.runs = clock, seconds, runs

    async def run(self) -> None:
        self.runs.append(self.clock.monotonic())
        await self.clock.sleep(self.seconds)
        raise RuntimeError("broken")


class Steady:
    def __init__(self) -> None:
        self.cancelled = 0

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled += 1


async def test_a_component_that_fails_is_made_anew_and_its_neighbours_run_on() -> None:
    clock, runs, beside, bystander = VirtualClock(), list[float](), list[Steady](), Steady()

    async def make() -> Sequence[Failing | Steady]:
        beside.append(Steady())
        return [Failing(clock, 10.0, runs), beside[-1]]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(restarts.keep_running("failing", make, clock)), group.create_task(bystander.run())]
        await clock.advance(33.0)
        assert runs == [0.0, 10.5, 21.5]
        assert [one.cancelled for one in beside] == [1, 1, 1]
        assert bystander.cancelled == 0
        for task in tasks:
            task.cancel()


async def test_what_cannot_be_made_is_tried_again() -> None:
    clock, tries = VirtualClock(), list[float]()

    async def make() -> Sequence[Steady]:
        tries.append(clock.monotonic())
        raise OSError("no room")

    async with asyncio.TaskGroup() as group:
        task = group.create_task(restarts.keep_running("unmade", make, clock))
        await clock.advance(2.0)
        assert tries == [0.0, 0.5, 1.5]
        task.cancel()


async def test_the_first_is_what_was_made_before() -> None:
    first, second = [Steady()], [Steady()]

    async def make() -> Sequence[Steady]:
        return second

    made = restarts.once(first, make)
    assert [await made(), await made()] == [first, second]
