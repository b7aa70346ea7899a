"""What the registry forgets by itself."""

from __future__ import annotations

import pytest

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.coordination_v1 import Lease
from pilothouse.api.types.core_v1 import ConfigMap, Event, ObjectReference
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.storage.interface import Compacted
from pilothouse.client.call import Call
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import House, config, refused


def event(name: str) -> Event:
    about = ObjectReference(kind="Pod", namespace="default", name="a")
    return Event(metadata=ObjectMeta(name=name, namespace="default"), involvedObject=about, reason="Seen", type="Normal")


async def names(house: House) -> list[str]:
    return [one.metadata.name for one in (await house.client.list(Event, "default")).items]


async def test_events_go_an_hour_after_they_were_last_seen(house: House) -> None:
    await house.client.create(event("a"))
    await house.clock.advance(1800)
    await house.client.create(event("b"))
    await house.clock.advance(1700)
    await house.client.patch(Event, "b", "default", b'{"count":2,"lastTimestamp":"2025-01-01T00:58:00Z"}')
    assert await names(house) == ["a", "b"]
    await house.clock.advance(200)
    assert await names(house) == ["b"]
    await house.clock.advance(3300)
    assert await names(house) == ["b"]
    await house.clock.advance(200)
    assert await names(house) == []


async def test_the_past_is_compacted_after_a_while(house: House) -> None:
    made = await house.client.create(config("a"))
    await house.client.patch(ConfigMap, "a", "default", b'{"data":{"a":"b"}}')
    then = int(made.metadata.resourceVersion)
    await house.clock.advance(200)
    await house.storage.range("/registry/", revision=then)
    await house.clock.advance(400)
    with pytest.raises(Compacted):
        await house.storage.range("/registry/", revision=then)
    assert (await house.client.get(ConfigMap, "a", "default")).data == {"a": "b"}


async def test_an_update_makes_what_is_not_there_of_some_kinds(house: House) -> None:
    lease = Lease(metadata=ObjectMeta(name="a", namespace="default"))
    entry = await house.registry.execute(Call("update", resource_of(Lease), "default", "a", body=lease), ADMIN)
    assert getattr(entry, "created", False)
    async with refused(404, "not found"):
        await house.client.update(config("a"))
