"""Whatever happens to the controller: a CronJob makes each Job once, at a time of its schedule, and heeds its policy and its limits."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given

from pilothouse.api.types.batch_v1 import CronJob, Job, JobCondition
from pilothouse.kit.virtual_clock import EPOCH
from pilothouse.machinery import codec, time
from tests.unit.controllers.faults import PROFILE, Faults, Steps, histories, step

EVERY_MINUTES = 5
WISHES = (step("suspend", 0, 1), step("end", 0, 3), step("break down", 0, 3), step("minutes", 1, 12), step("late", 1, 3))
STEPS = histories(*WISHES)


class History(Faults):
    """One CronJob and its Jobs."""

    held = (CronJob, Job)

    def __init__(self, policy: str) -> None:
        super().__init__("cronjob")
        self._policy = policy
        self._made: dict[str, str] = {}

    async def live(self, steps: Steps) -> None:
        spec = {
            "schedule": f"*/{EVERY_MINUTES} * * * *",
            "concurrencyPolicy": self._policy,
            "successfulJobsHistoryLimit": 2,
            "failedJobsHistoryLimit": 1,
            "suspend": False,
        }
        self.transport.add(codec.from_dict({"metadata": {"name": "c", "namespace": "default"}, "spec": spec}, CronJob))
        await self.advance(0)
        await super().live(steps)

    @property
    def cron(self) -> CronJob:
        [one] = self.transport.all(CronJob)
        found: CronJob = one
        return found

    @property
    def jobs(self) -> list[Job]:
        return sorted(self.transport.all(Job), key=lambda one: one.metadata.name)

    @property
    def running(self) -> list[Job]:
        return [one for one in self.jobs if not one.status.conditions]

    def check(self) -> None:
        for one in self.jobs:
            due = time.parse(one.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"])
            assert (due - EPOCH) % timedelta(minutes=EVERY_MINUTES) == timedelta(0), "not a time of the schedule"
            assert self._made.setdefault(one.metadata.name, one.metadata.uid) == one.metadata.uid, "a time had two Jobs"
        if self._policy != "Allow":
            assert len(self.running) <= 1, "two at once"

    async def wait_until_idle(self) -> None:
        await self.faults_end()
        self.transport.change(self.cron, lambda one: setattr(one.spec, "suspend", False))
        for _ in range(4):
            await self._minutes(EVERY_MINUTES)
            await self.advance(1)
            while self.running:
                await self._end(0)
                await self.advance(1)
            self.check()

    async def _suspend(self, number: int) -> None:
        self.transport.change(self.cron, lambda one: setattr(one.spec, "suspend", bool(number)))

    async def _minutes(self, number: int) -> None:
        self.transport.release()  # no cache is that long behind: what was done is expected for five minutes
        await self.advance(number * 60)

    async def _late(self, number: int) -> None:
        """The controller is away for hours."""
        await self.stop()
        await self.clock.advance(number * 3600)
        await self.start()

    async def _end(self, number: int) -> None:
        self._finish(number, "Complete")

    async def _break_down(self, number: int) -> None:
        self._finish(number, "Failed")

    def _finish(self, number: int, how: str) -> None:
        if not self.running:
            return
        now = time.now_text(self.clock)

        def ended(one: Job) -> None:
            one.status.conditions = [JobCondition(type=how, status="True", lastTransitionTime=now)]
            one.status.completionTime = now if how == "Complete" else ""

        self.transport.change(self.running[number % len(self.running)], ended)


@pytest.mark.parametrize("policy", ["Allow", "Forbid", "Replace"])
@PROFILE
@given(steps=STEPS)
def test_cronjobs(policy: str, steps: Steps) -> None:
    async def told() -> None:
        async with History(policy) as history:
            await history.live(steps)
            await history.wait_until_idle()
            ends: dict[str, int] = {"Complete": 0, "Failed": 0}
            for one in history.jobs:
                ends[one.status.conditions[0].type] += 1
            assert ends["Complete"] == 2
            assert ends["Failed"] <= 1
            status = history.cron.status
            looked = history.clock.now() - timedelta(seconds=1)  # it looks a moment after the time
            last = EPOCH + (looked - EPOCH) // timedelta(minutes=EVERY_MINUTES) * timedelta(minutes=EVERY_MINUTES)
            assert status.lastScheduleTime == time.text(last)
            assert status.active == []
            assert status.lastSuccessfulTime

    asyncio.run(told())
