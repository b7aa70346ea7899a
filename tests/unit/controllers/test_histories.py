"""Whatever happens, and wherever the controllers are stopped: never more Pods than asked for plus surge, and all is well in the end.

Histories mix wishes (scale, image, pause), the world (Pods that become ready or die), stale caches, failures of the server, and
controllers that end between any two of their writes and start again.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilothouse.api.types.apps_v1 import Deployment, ReplicaSet
from pilothouse.api.types.core_v1 import Pod
from pilothouse.client.call import Call
from pilothouse.controllers import pods
from pilothouse.machinery import errors
from tests.unit.controllers.builtin.test_deployment import Rolling, deployment

SURGE = 2
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("scale"), st.integers(0, 6)),
        st.tuples(st.just("image"), st.integers(1, 3)),
        st.tuples(st.just("pause"), st.integers(0, 1)),
        st.tuples(st.just("ready"), st.integers(0, 5)),
        st.tuples(st.just("die"), st.integers(0, 5)),
        st.tuples(st.just("hold"), st.integers(0, 2)),
        st.tuples(st.just("release"), st.integers(0, 6)),
        st.tuples(st.just("stop after"), st.integers(0, 5)),
        st.tuples(st.just("lose"), st.integers(1, 3)),
        st.tuples(st.just("refuse"), st.integers(1, 3)),
        st.tuples(st.just("advance"), st.integers(0, 20)),
    ),
    max_size=25,
)


class History(Rolling):
    """A rollout that is told to live through a history."""

    def __init__(self, *, recreate: bool) -> None:
        super().__init__()
        self._recreate = recreate
        self._asked = [3]
        self._writes_left: int | None = None

    async def live(self, steps: list[tuple[str, int]]) -> None:
        self.transport.intercept = self._cut
        await self.apply(deployment(3, surge=SURGE, unavailable=1, recreate=self._recreate))
        for name, number in steps:
            await getattr(self, "_" + name.replace(" ", "_"))(number)
            await self.advance(0)
            self.check()

    def _cut(self, call: Call) -> Exception | None:
        """The process has ended: nothing that it still sends arrives."""
        if self._writes_left is None or call.verb in ("get", "list", "watch"):
            return None
        self._writes_left -= 1
        return ConnectionError("stopped") if self._writes_left < 0 else None

    def check(self) -> None:
        active = [one for one in self.pods if pods.is_active(one)]
        surge = 0 if self._recreate else SURGE
        assert len(active) <= max(self._asked) + surge
        if self._recreate:
            assert len({one.spec.containers[0].image for one in active}) <= 1

    async def settle(self) -> None:
        """Faults end; Pods become ready; time passes."""
        self.transport.lose_answers(0)
        self.transport.release()
        await self._restart()
        await self.edit(lambda one: setattr(one.spec, "paused", None))
        for _ in range(40):
            await self.advance(5)
            for one in self.pods:
                if not one.status.conditions:
                    self.transport.change(one, self._become_ready)
            self.check()
        await self.advance(1200)

    async def _restart(self) -> None:
        self._writes_left = None
        await self.stop()
        await self.start()

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

    async def _hold(self, number: int) -> None:
        self.transport.hold(*((), (Pod,), (ReplicaSet,))[number])

    async def _release(self, number: int) -> None:
        self.transport.release(number or None)

    async def _stop_after(self, writes: int) -> None:
        self._writes_left = writes
        await self.advance(1)
        self.check()
        await self._restart()

    async def _lose(self, answers: int) -> None:
        self.transport.lose_answers(answers)

    async def _refuse(self, times: int) -> None:
        refused: list[Exception] = [errors.forbidden("pods", "", "x", "exceeded quota"), errors.conflict("x", "", "y", "changed")]
        self.transport.fail(*(refused * times)[:times], when=lambda call: call.verb in ("create", "update"))

    async def _advance(self, seconds: int) -> None:
        await self.advance(seconds)


async def lives(steps: list[tuple[str, int]], *, recreate: bool) -> None:
    async with History(recreate=recreate) as history:
        await history.live(steps)
        await history.settle()
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


PROFILE = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@PROFILE
@given(steps=STEPS)
def test_rolling_updates(steps: list[tuple[str, int]]) -> None:
    asyncio.run(lives(steps, recreate=False))


@PROFILE
@given(steps=STEPS)
def test_recreate(steps: list[tuple[str, int]]) -> None:
    asyncio.run(lives(steps, recreate=True))
