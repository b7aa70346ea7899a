"""The registry over the durable store: the same promises, and what a restart may not change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pilothouse.api.types.core_v1 import ConfigMap, Service
from pilothouse.apiserver.storage.sqlite import SqliteStorage
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError
from tests.unit.apiserver.registry.house import House, config, open_house, take, told, watching
from tests.unit.apiserver.registry.test_services import service

CLIENTS = 8
INCREMENTS = 10


@asynccontextmanager
async def durable(path: Path) -> AsyncIterator[House]:
    storage: Any = SqliteStorage(path)
    async with open_house(storage) as house:
        yield house
    await storage.close()


async def increment(house: House) -> None:
    """Read, add one, write; again when another was faster."""
    while True:
        made = clone(await house.client.get(ConfigMap, "counter", "default"))
        made.data["count"] = str(int(made.data.get("count", "0")) + 1)
        try:
            await house.client.update(made)
            return
        except StatusError as error:
            if error.reason != "Conflict":
                raise


async def test_no_increment_of_many_clients_is_lost(tmp_path: Path) -> None:
    async def client(house: House) -> None:
        for _ in range(INCREMENTS):
            await increment(house)

    async with durable(tmp_path / "store") as house:
        await house.client.create(config("counter"))
        await asyncio.gather(*(client(house) for _ in range(CLIENTS)))
        assert (await house.client.get(ConfigMap, "counter", "default")).data == {"count": str(CLIENTS * INCREMENTS)}


async def test_of_many_who_delete_one_object_all_but_one_are_told_that_it_is_gone(tmp_path: Path) -> None:
    async with durable(tmp_path / "store") as house:
        await house.client.create(config("a"))
        told = await asyncio.gather(*(house.client.delete(ConfigMap, "a", "default") for _ in range(CLIENTS)), return_exceptions=True)
    failures = [one.reason for one in told if isinstance(one, StatusError)]
    assert failures == ["NotFound"] * (CLIENTS - 1)


async def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    async with durable(tmp_path / "store") as house:
        made = await house.client.create(config("a"))
        after = await house.client.patch(ConfigMap, "a", "default", b'{"data":{"x":"y"}}')
        given = (await house.client.create(service("web", type="NodePort"))).spec
        kubernetes = await house.client.get(Service, "kubernetes", "default")
    async with durable(tmp_path / "store") as house:
        assert await house.client.get(ConfigMap, "a", "default") == after
        assert (await house.client.get(Service, "web", "default")).spec == given
        assert await house.client.get(Service, "kubernetes", "default") == kubernetes
        async with watching(house, ConfigMap, "default", resource_version=made.metadata.resourceVersion) as events:
            assert told(await take(events, 1)) == [("MODIFIED", "a")]
            await house.client.delete(ConfigMap, "a", "default")
            assert told(await take(events, 1)) == [("DELETED", "a")]


async def test_a_watcher_sees_each_of_many_writes_once(tmp_path: Path) -> None:
    async with durable(tmp_path / "store") as house:
        begin = str(await house.storage.revision())
        async with watching(house, ConfigMap, "default", resource_version=begin) as events:
            await asyncio.gather(*(house.client.create(config(f"c{number:03}")) for number in range(100)))
            seen = await take(events, 100)
    assert {one.object.metadata.name for one in seen} == {f"c{number:03}" for number in range(100)}
    revisions = [int(one.object.metadata.resourceVersion) for one in seen]
    assert revisions == sorted(set(revisions))
