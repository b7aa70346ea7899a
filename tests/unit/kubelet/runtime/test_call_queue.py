"""Calls that cost much: starts before removals, bounded, and no slot lost to one that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.kubelet.runtime.call_queue import REMOVAL_PATIENCE_SECONDS, SLOT_SECONDS, CallQueue


class Calls:
    """Makes calls that last as long as they are told, and notes when each began."""

    def __init__(self, cores: int = 1) -> None:
        self.clock = VirtualClock()
        self.queue = CallQueue(self.clock, cores)
        self.began: dict[str, float] = {}
        self.most = self.now = 0

    async def call(self, method: str, name: str, seconds: float = 1.0) -> None:
        async with self.queue.turn(method):
            self.began[name] = self.clock.monotonic()
            self.now += 1
            self.most = max(self.most, self.now)
            await self.clock.sleep(seconds)
            self.now -= 1

    async def run(self, *calls: Awaitable[None], seconds: float = 60.0) -> None:
        tasks = [asyncio.ensure_future(call) for call in calls]
        await self.clock.advance(seconds)
        assert all(task.done() for task in tasks)


def checked(check: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(check())  # type: ignore[arg-type]


def test_no_more_run_at_once_than_there_are_slots() -> None:
    async def check() -> None:
        calls = Calls(cores=1)
        await calls.run(*(calls.call("RunPodSandbox", f"pod-{index}") for index in range(20)))
        assert (calls.most, len(calls.began)) == (4, 20)

    checked(check)


def test_containers_of_sandboxes_that_are_there_begin_before_new_sandboxes() -> None:
    async def check() -> None:
        calls = Calls(cores=1)
        sandboxes = [calls.call("RunPodSandbox", f"sandbox-{index}", 0.5) for index in range(12)]
        await calls.run(*sandboxes, calls.call("StartContainer", "start", 0.1))
        later = [at for name, at in calls.began.items() if name.startswith("sandbox") and at > calls.began["start"]]
        assert len(later) >= 4

    checked(check)


def test_removals_wait_for_what_starts_but_not_for_ever() -> None:
    async def check() -> None:
        calls = Calls(cores=1)
        await calls.run(
            *(calls.call("RunPodSandbox", f"new-{index}", 3.0) for index in range(30)),
            calls.call("StopPodSandbox", "old", 0.1),
            calls.call("RemoveContainer", "older", 0.1),
        )
        since = calls.began["new-0"]
        assert calls.began["old"] - since == pytest.approx(REMOVAL_PATIENCE_SECONDS)
        assert calls.began["older"] - since == pytest.approx(REMOVAL_PATIENCE_SECONDS + 0.1)

    checked(check)


def test_removals_alone_do_not_wait() -> None:
    async def check() -> None:
        calls = Calls(cores=1)
        began = calls.clock.monotonic()
        await calls.run(calls.call("RemovePodSandbox", "old"))
        assert calls.began["old"] == began

    checked(check)


def test_a_call_that_hangs_gives_its_slot_back() -> None:
    async def check() -> None:
        calls = Calls(cores=1)
        hanging = [calls.call("RunPodSandbox", f"hangs-{index}", 50.0) for index in range(4)]
        await calls.run(*hanging, calls.call("RunPodSandbox", "healthy", 0.1))
        assert calls.began["healthy"] - calls.began["hangs-0"] == pytest.approx(SLOT_SECONDS)

    checked(check)


def test_a_call_that_is_given_up_while_it_waits_leaves_its_place_to_others() -> None:
    async def check() -> None:
        calls = Calls(cores=0)
        running = [asyncio.ensure_future(calls.call("RunPodSandbox", f"first-{index}")) for index in range(2)]
        given_up = asyncio.ensure_future(calls.call("RunPodSandbox", "given up"))
        await calls.clock.advance(0.1)
        given_up.cancel()
        await calls.run(*running, calls.call("RunPodSandbox", "last"))
        assert "given up" not in calls.began
        assert "last" in calls.began

    checked(check)


def test_many_containers_do_not_begin_to_stop_in_one_instant() -> None:
    async def check() -> None:
        calls = Calls()
        await calls.run(*(calls.call("StopContainer", f"pod-{index}", 2.0) for index in range(50)))
        moments = sorted(calls.began.values())
        assert moments[4] == moments[0]  # a few do
        assert 8.0 < moments[-1] - moments[0] < 9.0, "the core has room for what starts meanwhile"

    checked(check)


def test_containers_begin_to_stop_more_slowly_while_pods_are_started() -> None:
    async def check() -> None:
        calls = Calls()
        starts = (calls.call("RunPodSandbox", f"new-{index}", 20.0) for index in range(4))
        await calls.run(*starts, *(calls.call("StopContainer", f"pod-{index}", 2.0) for index in range(20)))
        moments = sorted(began for name, began in calls.began.items() if name.startswith("pod"))
        assert moments[4] == moments[0]
        assert 5.0 < moments[-1] - moments[0] < 6.5, "0.4 s of the one core for each of fifteen"

    checked(check)
