"""The proxy's loop: when it puts rules in place, and what it does when the backend refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from pilothouse.api.types.core_v1 import Service
from pilothouse.kit.virtual_clock import VirtualClock, wait_until_idle
from pilothouse.proxy.backends.interface import BackendError
from pilothouse.proxy.planner import PortKey, PortPlan
from pilothouse.proxy.proxy import Proxy
from tests.unit.proxy.test_planner import READY, service, slice_of
from tests.unit.scheduler.fake_api import FakeApi


class FakeBackend:
    """Satisfies backends.interface.Backend; keeps what it was told."""

    def __init__(self) -> None:
        self.replaced: list[dict[PortKey, PortPlan]] = []
        self.applied: list[dict[PortKey, PortPlan | None]] = []
        self.refusals = 0
        self.closed = False
        self.disturb = asyncio.Event()

    def replace(self, plans: Mapping[PortKey, PortPlan]) -> None:
        self._may_refuse()
        self.replaced.append(dict(plans))

    def apply(self, changes: Mapping[PortKey, PortPlan | None]) -> None:
        self._may_refuse()
        self.applied.append(dict(changes))

    def _may_refuse(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise BackendError("not now")

    async def disturbances(self) -> AsyncIterator[None]:
        while True:
            await self.disturb.wait()
            self.disturb.clear()
            yield

    def close(self) -> None:
        self.closed = True


class World:
    def __init__(self) -> None:
        self.api, self.clock, self.backend = FakeApi(), VirtualClock(), FakeBackend()
        self.proxy = Proxy(self.api.client, "here", ["127.0.0.1"], self.backend, self.clock)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        task = asyncio.create_task(self.proxy.run())
        try:
            await wait_until_idle()
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def put(self, *objects: object) -> None:
        self.api.put(*objects)
        await wait_until_idle()


def labelled(*endpoints: tuple[str, object, str]) -> object:
    made = slice_of(*endpoints)  # type: ignore[arg-type]
    made.metadata.labels = {"kubernetes.io/service-name": "web"}
    return made


async def test_first_everything_at_once_then_only_changes() -> None:
    world = World()
    world.api.put(service(), labelled(("1.1.1.1", READY, "")))
    async with world.running():
        assert [len(one) for one in world.backend.replaced] == [1]
        await world.put(labelled(("1.1.1.2", READY, "")))
        assert len(world.backend.replaced) == 1
        assert [len(one) for one in world.backend.applied] == [1]


async def test_a_change_that_means_nothing_for_packets_is_not_told() -> None:
    async with World().running() as world:
        await world.put(service())
        changed = service(labels={"app": "x"})
        await world.put(changed)
        assert len(world.backend.applied) == 1


async def test_a_service_that_goes_takes_its_rules_along() -> None:
    async with World().running() as world:
        await world.put(service())
        world.api.remove(world.api.get(Service, "web"))
        await wait_until_idle()
        assert [*world.backend.applied[-1].values()] == [None]


async def test_a_refusal_is_followed_by_another_try_from_scratch() -> None:
    async with World().running() as world:
        world.backend.refusals = 2
        await world.put(service())
        assert not world.proxy.synced.is_set()
        await world.clock.advance(4)
        assert world.proxy.synced.is_set()
        assert len(world.backend.replaced[-1]) == 1


async def test_what_others_disturb_is_put_back() -> None:
    async with World().running() as world:
        await world.put(service())
        before = len(world.backend.replaced)
        world.backend.disturb.set()
        await wait_until_idle()
        assert len(world.backend.replaced) == before + 1


async def test_idle_it_sleeps_for_ever() -> None:
    async with World().running() as world:
        await world.put(service(), labelled(("1.1.1.1", READY, "")))
        assert world.clock.next_deadline() is None


async def test_rules_stay_when_the_proxy_ends() -> None:
    """Packets find their way while the next one starts."""
    world = World()
    world.api.put(service(), labelled(("1.1.1.1", READY, "")))
    async with world.running():
        pass
    assert not world.backend.closed
    assert len(world.backend.replaced[-1]) == 1
    assert world.backend.applied == []
