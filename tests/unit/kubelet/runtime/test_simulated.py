"""The simulated runtime keeps a runtime's promises."""

from __future__ import annotations

import asyncio

from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.kubelet.runtime.containers import ContainerState
from pilothouse.kubelet.runtime.port import Runtime
from pilothouse.kubelet.runtime.simulated import SimulatedRuntime
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from pilothouse.testing.conformance.runtime import RuntimeConformance

BEHAVIOURS = {
    "forever": Behaviour(),
    "stubborn": Behaviour(stop_seconds=3600),
    "exits 0": Behaviour(run_seconds=0.2),
    "exits 3": Behaviour(run_seconds=0.2, exit_code=3),
}


class TestSimulatedRuntime(RuntimeConformance):
    def open(self) -> Runtime:
        self.clock = VirtualClock()
        runtime = SimulatedRuntime(self.clock, Entropy(1))
        for kind, behaviour in BEHAVIOURS.items():
            runtime.behave(self.program(kind)[0], behaviour)
        return runtime

    def program(self, kind: str) -> tuple[str, list[str]]:
        return f"{kind.replace(' ', '-')}:1", []

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def test_the_same_seed_gives_the_same_ids(self) -> None:
        found = []
        for _ in range(2):
            runtime = self.open()
            found.append(await self.sandbox(runtime))
        assert found[0] == found[1]

    async def test_a_failing_image_works_again_when_told_so(self, runtime: SimulatedRuntime) -> None:
        runtime.images_fail("bad:1")
        task = asyncio.ensure_future(runtime.pull_image("bad:1"))
        await self.advance(5)
        assert task.exception() is not None
        runtime.images_work("bad:1")
        await self.after(runtime.pull_image("bad:1"))

    async def test_a_container_can_be_ended_by_hand(self, runtime: SimulatedRuntime) -> None:
        box = await self.sandbox(runtime)
        app = await self.container(runtime, box, "forever")
        runtime.exit(app, 9)
        assert await self.state_of(runtime, app) is ContainerState.EXITED
