"""Whatever happens, and wherever the controllers are stopped: never more Pods than asked for plus surge, and all is well in the end.

Histories mix wishes (scale, image, pause), the world (Pods that become ready or die), stale caches, failures of the server, and
controllers that end between any two of their writes and start again.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given

from pilothouse.api.types.apps_v1 import Deployment, ReplicaSet
from pilothouse.api.types.core_v1 import Pod
from pilothouse.controllers import pods
from tests.unit.controllers.builtin.test_deployment import Rolling, deployment
from tests.unit.controllers.faults import PROFILE, Faults, Steps, histories, step

SURGE, UNAVAILABLE = 2, 1
WISHES = (step("scale", 0, 6), step("image", 1, 3), step("pause", 0, 1), step("ready", 0, 5), step("die", 0, 5))
STEPS = histories(*WISHES)


class History(Faults, Rolling):
    """A rollout that is told to live through a history."""

    held = (Pod, ReplicaSet)

    def __init__(self, *, recreate: bool) -> None:
        Rolling.__init__(self)
        self._recreate = recreate
        self._asked = [3]

    async def live(self, steps: Steps) -> None:
        await self.apply(deployment(3, surge=SURGE, unavailable=UNAVAILABLE, recreate=self._recreate))
        await super().live(steps)

    def check(self) -> None:
        active = [one for one in self.pods if pods.is_active(one)]
        surge = 0 if self._recreate else SURGE
        assert len(active) <= max(self._asked) + surge
        if self._recreate:
            assert len({one.spec.containers[0].image for one in active}) <= 1
        images = [one.spec.template.spec.containers[0].image for one in self.transport.all(ReplicaSet)]
        assert len(images) == len({*images}), "two ReplicaSets of one template"

    async def wait_until_idle(self) -> None:
        """Faults end; Pods become ready; time passes."""
        await self.faults_end()
        await self.edit(lambda one: setattr(one.spec, "paused", False))
        for _ in range(40):
            await self.advance(5)
            for one in self.pods:
                if not one.status.conditions:
                    self.transport.change(one, self._become_ready)
            self.check()
        await self.advance(1200)

    async def _scale(self, number: int) -> None:
        self._asked.append(number)
        await self.edit(lambda one: setattr(one.spec, "replicas", number))

    async def _image(self, number: int) -> None:
        await self.image(f"app:{number}")

    async def _pause(self, number: int) -> None:
        await self.edit(lambda one: setattr(one.spec, "paused", bool(number)))

    async def _ready(self, number: int) -> None:  # type: ignore[override]
        if number < len(self.pods):
            self.transport.change(self.pods[number], self._become_ready)

    async def _die(self, number: int) -> None:
        if number < len(self.pods):
            self.transport.remove(self.pods[number])


async def lives(steps: Steps, *, recreate: bool) -> None:
    async with History(recreate=recreate) as history:
        await history.live(steps)
        await history.wait_until_idle()
        [wanted] = history.transport.all(Deployment)
        image = wanted.spec.template.spec.containers[0].image
        found: list[Pod] = history.pods
        assert [one.spec.containers[0].image for one in found] == [image] * wanted.spec.replicas
        sizes: dict[str, Any] = {name: size for name, (size, _) in history.sizes.items() if size}
        assert sizes == ({image: wanted.spec.replicas} if wanted.spec.replicas else {})
        status = history.deployment.status
        assert (status.replicas, status.availableReplicas, status.updatedReplicas) == (wanted.spec.replicas,) * 3
        assert history.condition("Available") == ("True", "MinimumReplicasAvailable")
        assert {one.status.replicas for one in history.transport.all(ReplicaSet) if not one.spec.replicas} <= {0}


@PROFILE
@given(steps=STEPS)
def test_rolling_updates(steps: Steps) -> None:
    asyncio.run(lives(steps, recreate=False))


@PROFILE
@given(steps=STEPS)
def test_recreate(steps: Steps) -> None:
    asyncio.run(lives(steps, recreate=True))


class Serving(History):
    """Three replicas that do not die by themselves."""

    serving = False

    def check(self) -> None:
        # By what the ReplicaSets are asked for: one that does not see its Pods yet cannot remove them.
        assert sum(one.spec.replicas for one in self.transport.all(ReplicaSet)) <= 3 + SURGE
        if self.serving:
            assert sum(bool(one.status.conditions) for one in self.pods if pods.is_active(one)) >= 3 - UNAVAILABLE


@PROFILE
@given(steps=histories(step("image", 1, 3), step("ready", 0, 5), step("pause", 0, 1)))
def test_a_rollout_takes_down_no_more_than_may_be_unavailable(steps: Steps) -> None:
    async def told() -> None:
        async with Serving(recreate=False) as history:
            await history.apply(deployment(3, surge=SURGE, unavailable=UNAVAILABLE))
            await Rolling.ready(history)
            history.serving = True
            await Faults.live(history, steps)
            await history.wait_until_idle()

    asyncio.run(told())
