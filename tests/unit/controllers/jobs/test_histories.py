"""Whatever happens to its Pods and its controller: a Job runs no more Pods than it may, loses no Pod from its counts, and ends once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given

from pilothouse.api.types.batch_v1 import Job
from pilothouse.api.types.core_v1 import Pod
from pilothouse.controllers.jobs import indexes
from pilothouse.controllers.jobs.tally import FINALIZER
from pilothouse.machinery import codec
from tests.unit.controllers.faults import PROFILE, Steps, histories, step
from tests.unit.controllers.kubelets import DEATHS, ENDS, STARTS, Kubelets, template

WISHES = (step("parallelism", 0, 4), step("suspend", 0, 1))
STEPS = histories(*STARTS, *ENDS, *DEATHS, *WISHES)
COMPLETIONS = 4
MANY = 1000


def job(**spec: Any) -> Job:
    base = {"completions": COMPLETIONS, "parallelism": 2, "backoffLimit": MANY, "completionMode": "NonIndexed", "suspend": False}
    data = {
        "metadata": {"name": "j", "namespace": "default", "uid": "j-uid"},
        "spec": base | {"podReplacementPolicy": "TerminatingOrFailed", "selector": {"matchLabels": {"app": "web"}}} | spec,
    }
    one = codec.from_dict(data, Job)
    one.spec.template = template(restart="Never")
    return one


class History(Kubelets):
    """A Job and its Pods; `succeeded` and `failed` are the uids of those that ended so while they were to be counted."""

    held = (Pod, Job)

    def __init__(self, **spec: Any) -> None:
        super().__init__("job")
        self.wanted = job(**spec)
        self.most = self.wanted.spec.parallelism or 0
        self.succeeded: set[str] = set()
        self.failed: set[str] = set()
        self._before = (0, 0)

    async def live(self, steps: Steps) -> None:
        self.transport.add(self.wanted)
        await self.advance(0)
        await super().live(steps)

    @property
    def job(self) -> Job:
        [one] = self.transport.all(Job)
        found: Job = one
        return found

    def check(self) -> None:
        status = self.job.status
        assert len(self.active) <= self.most, "more Pods than may run"
        if self.wanted.spec.podReplacementPolicy == "Failed":
            assert len([one for one in self.pods if one.status.phase not in ("Succeeded", "Failed")]) <= self.most
        counts = status.succeeded, status.failed
        if self.wanted.spec.completionMode == "Indexed":
            held = Counter(map(indexes.index_of, self.active))
            assert max(held.values(), default=0) <= 1, "two Pods of one index"
        assert counts >= self._before or (counts[0] >= self._before[0] and counts[1] >= self._before[1]), "a count went back"
        assert counts[0] <= len(self.succeeded), "counted twice"
        self._before = counts

    def ends(self) -> list[str]:
        return [one.type for one in self.job.status.conditions if one.type in ("Complete", "Failed") and one.status == "True"]

    async def wait_until_idle(self) -> None:
        await self.faults_end()
        self.most = max(self.most, 2)
        self.transport.change(self.job, lambda one: setattr(one.spec, "suspend", False))
        self.transport.change(self.job, lambda one: setattr(one.spec, "parallelism", 2))
        await self.let_run(40, 200, succeed=True)

    async def _end(self, pod: Pod, phase: str) -> None:
        if FINALIZER in pod.metadata.finalizers:
            (self.succeeded if phase == "Succeeded" else self.failed).add(pod.metadata.uid)
        await super()._end(pod, phase)

    async def _parallelism(self, number: int) -> None:
        self.most = max(self.most, number)
        self.transport.change(self.job, lambda one: setattr(one.spec, "parallelism", number))

    async def _suspend(self, number: int) -> None:
        self.transport.change(self.job, lambda one: setattr(one.spec, "suspend", bool(number)))


async def lives(steps: Steps, **spec: Any) -> History:
    async with History(**spec) as history:
        await history.live(steps)
        await history.wait_until_idle()
        status = history.job.status
        assert len(history.ends()) == 1, status.conditions
        assert (status.active, status.ready, status.terminating) == (0, 0, 0)
        assert not [one for one in history.pods if FINALIZER in one.metadata.finalizers]
        uncounted = status.uncountedTerminatedPods
        assert uncounted is None or not (uncounted.succeeded or uncounted.failed)
        assert status.failed >= len(history.failed), "a failure was not counted"
        return history


SPECS = [
    pytest.param({}, id="any Pod counts"),
    pytest.param({"completionMode": "Indexed"}, id="indexed"),
    pytest.param({"podReplacementPolicy": "Failed"}, id="replaced when they have ended"),
    pytest.param({"completionMode": "Indexed", "backoffLimitPerIndex": MANY, "podReplacementPolicy": "Failed"}, id="failures by index"),
]


@pytest.mark.parametrize("spec", SPECS)
@PROFILE
@given(steps=STEPS)
def test_jobs_that_may_fail_often_complete(spec: dict[str, Any], steps: Steps) -> None:
    async def told() -> None:
        history = await lives(steps, **spec)
        assert history.ends() == ["Complete"]
        status = history.job.status
        if spec.get("completionMode") == "Indexed":
            assert (status.succeeded, status.completedIndexes) == (COMPLETIONS, f"0-{COMPLETIONS - 1}")
        else:
            assert status.succeeded == len(history.succeeded) >= COMPLETIONS

    asyncio.run(told())


@PROFILE
@given(steps=STEPS)
def test_jobs_that_may_not_end_one_way_or_the_other(steps: Steps) -> None:
    async def told() -> None:
        history = await lives(steps, backoffLimit=1)
        status = history.job.status
        if history.ends() == ["Complete"]:
            assert status.succeeded >= COMPLETIONS
        else:
            assert status.failed > 1
        assert status.succeeded == len(history.succeeded)

    asyncio.run(told())
