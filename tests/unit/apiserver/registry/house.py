"""What the tests of the registry share: a running registry, short ways to call it, small objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.core_v1 import ConfigMap, Container, Pod, PodSpec
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.cache.entry import Entry, EntryList
from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.client.call import Call, Options, WatchEvent
from pilothouse.client.client import Client
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta


@dataclass
class House:
    registry: Registry
    storage: MemoryStorage
    clock: VirtualClock
    client: Client

    async def page(self, kind: type[Any], namespace: str = "", **options: Any) -> EntryList:
        call = Call("list", resource_of(kind), namespace, options=Options(**options))
        result = await self.registry.execute(call, ADMIN)
        assert isinstance(result, EntryList)
        return result

    async def entry(self, kind: type[Any], name: str, namespace: str = "default", subresource: str = "") -> Entry:
        result = await self.registry.execute(Call("get", resource_of(kind), namespace, name, subresource), ADMIN)
        assert isinstance(result, Entry)
        return result


@asynccontextmanager
async def open_house(storage: MemoryStorage | None = None, **settings: Any) -> AsyncIterator[House]:
    clock, storage = VirtualClock(), storage or MemoryStorage()
    registry = Registry(storage, clock, Entropy(1), **settings)
    running = asyncio.create_task(registry.run())
    await registry.start()
    for hook in registry.hooks.values():
        await hook.reconciled.wait()
    try:
        yield House(registry, storage, clock, Client(registry.transport(ADMIN)))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def watching(house: House, kind: type[Any], namespace: str = "", **options: Any) -> AsyncIterator[Any]:
    """A started watch: `await anext(it)`."""
    events: Any = house.client.watch(kind, namespace, options=Options(**options))
    try:
        yield events
    finally:
        await events.aclose()


async def take(events: Any, count: int) -> list[WatchEvent[Any]]:
    return [await asyncio.wait_for(anext(events), 60) for _ in range(count)]


def told(events: list[WatchEvent[Any]]) -> list[tuple[str, str]]:
    return [(one.type, one.object.metadata.name) for one in events]


@asynccontextmanager
async def refused(code: int, message: str) -> AsyncIterator[None]:
    """What is done inside is answered with this code and a message that holds this text."""
    with pytest.raises(StatusError) as raised:
        yield
    assert message in raised.value.status.message
    assert raised.value.code == code


def config(name: str, **metadata: Any) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", **metadata))


def pod(name: str, node: str = "", **metadata: Any) -> Pod:
    spec = PodSpec(containers=[Container(name="main", image="image:1")], nodeName=node)
    return Pod(metadata=ObjectMeta(name=name, namespace="default", **metadata), spec=spec)
