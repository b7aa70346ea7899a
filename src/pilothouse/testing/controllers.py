"""Controllers under test: a world made of objects for plans, and a bench that runs them against the fake transport in virtual time.

actions = planned(ReplicaSetController(), rs, *pods)

async with Bench("replicaset") as bench:
    bench.transport.add(rs)
    await bench.advance(10)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, TypeVar

from pilothouse.apiserver.auth.user import MASTERS
from pilothouse.apiserver.registry.settings import Settings as RegistrySettings
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.client.client import Client
from pilothouse.client.store import Store
from pilothouse.cmd.api import wire
from pilothouse.controllers.framework.actions import Action, Failure
from pilothouse.controllers.framework.controller import Controller
from pilothouse.controllers.framework.settings import Settings
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.manager import ControllerManager
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import EPOCH, VirtualClock
from pilothouse.machinery import codec
from pilothouse.testing.fake_transport import FakeTransport
from pilothouse.testing.keys import ProcessKeys

T = TypeVar("T")


def world_of(
    *objects: Any,
    now: datetime = EPOCH,
    settings: Settings | None = None,
    failure: Failure | None = None,
    memory: dict[str, Any] | None = None,
    shared: dict[str, Any] | None = None,
    observed: Any = None,
) -> World:
    """A world that shows these objects and nothing else."""
    stores: dict[type[Any], Store[Any]] = {}
    for obj in objects:
        stores.setdefault(type(obj), Store()).put(obj)
    return World(
        lambda kind: stores.setdefault(kind, Store()),
        now,
        settings=settings,
        failure=failure,
        memory=memory,
        shared=shared,
        observed=observed,
    )


def planned(controller: Controller, obj: Any, *others: Any, **world: Any) -> list[Action]:
    """Actions that the controller plans for `obj`, in a world of it and the others."""
    return [*controller.plan(obj, world_of(obj, *others, **world))]


class Bench:
    """Some controllers, by name, against a FakeTransport."""

    def __init__(self, *only: str, settings: Settings | None = None, seed: int = 1) -> None:
        self.clock = VirtualClock()
        self.entropy = Entropy(seed)
        self.transport = FakeTransport(self.clock, self.entropy)
        self.client = self.manager_client = Client(self.transport)
        self._only: Collection[str] = only
        self._settings = settings
        self._clients: Callable[[str], Client] | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Bench:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the controllers afresh: what they remembered is gone."""
        self.manager = ControllerManager(
            self.manager_client, self.clock, self.entropy, self._settings, only=self._only or None, clients=self._clients
        )
        self._running = asyncio.ensure_future(self.manager.run())
        await self.advance(0)

    async def stop(self) -> None:
        """End them wherever they stand."""
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def advance(self, seconds: float) -> None:
        """Let time pass; a controller manager that failed fails the test."""
        await self.clock.advance(seconds)
        if self._running is not None and self._running.done():
            self._running.result()


class RegistryBench(Bench):
    """The same against the real registry over memory: defaults, admission, validation, graceful deletion and all. Each controller acts
    as its ServiceAccount."""

    def __init__(self, *only: str, settings: Settings | None = None, seed: int = 1) -> None:
        super().__init__(*only, settings=settings, seed=seed)
        api = wire(MemoryStorage(), self.clock, self.entropy, RegistrySettings(), ProcessKeys())
        self.registry = api.registry
        self.client = api.client("system:admin", MASTERS)
        self.manager_client, self._clients = api.client("system:kube-controller-manager"), api.controller_client
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the registry, then the controllers."""
        if self._serving is None:
            self._serving = asyncio.ensure_future(self.registry.run())
            await self.registry.start()
        await super().start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)

    async def all(self, kind: type[T], namespace: str = "") -> list[T]:
        """All objects of a kind, from the registry."""
        return (await self.client.list(kind, namespace)).items

    async def edit(self, kind: type[T], name: str, change: Callable[[T], None], namespace: str = "", *, subresource: str = "") -> T:
        """Change an object by reading and writing it."""
        obj = codec.clone(await self.client.get(kind, name, namespace))
        change(obj)
        return await self.client.update(obj, subresource=subresource)
