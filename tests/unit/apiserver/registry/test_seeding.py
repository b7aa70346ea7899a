"""The objects that every cluster has from its start: written in one commit, as a create would have written them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from pilothouse.api.types.apiregistration_v1 import APIService
from pilothouse.api.types.core_v1 import EmptyDirVolumeSource, Namespace, Pod, PodSpec, ServiceAccount, Volume
from pilothouse.api.types.flowcontrol_v1 import FlowSchema
from pilothouse.api.types.scheduling_v1 import PriorityClass
from pilothouse.apiserver.registry.seeding import Seed, seed
from pilothouse.apiserver.storage.interface import Event
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.kit.virtual_clock import wait_until_idle
from pilothouse.machinery.codec import clone, encode
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import open_house


async def test_a_new_cluster_is_written_in_one_commit_and_the_service_kubernetes() -> None:
    storage, batches = MemoryStorage(), list[Sequence[Event]]()
    storage.follow(batches.append)
    async with open_house(storage):
        sizes = [len(batch) for batch in batches]
    assert sizes[0] > 50
    assert sizes[1:] == [1]
    assert batches[1][0].key == "/registry/services/specs/default/kubernetes"


async def test_uid_and_times_are_those_of_the_cluster() -> None:
    async with open_house() as one, open_house() as other:
        await other.clock.advance(60)
        await other.client.delete(FlowSchema, "probes")
        await wait_until_idle()
        for house in (one, other):
            schema = await house.client.get(FlowSchema, "probes")
            times = {schema.metadata.creationTimestamp, schema.status.conditions[0].lastTransitionTime}
            times |= {entry.time for entry in schema.metadata.managedFields}
            assert len(times) == 1
            assert times.pop()[:4] == str(house.clock.now().year)
        uids = {item.metadata.uid for item in (await one.client.list(APIService)).items}
        assert len(uids) == len((await one.client.list(APIService)).items)
        assert all(uid.count("0") < 20 for uid in uids)


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(Namespace(metadata=ObjectMeta(name="seeded")), id="Namespace"),
        pytest.param(ServiceAccount(metadata=ObjectMeta(name="seeded", namespace="default")), id="ServiceAccount: nobody owns anything"),
        pytest.param(PriorityClass(metadata=ObjectMeta(name="seeded", labels={"a": "b"}), value=7), id="PriorityClass: defaults"),
    ],
)
async def test_a_seed_is_what_a_create_would_have_made(obj: Namespace | ServiceAccount | PriorityClass) -> None:
    async with open_house() as house:
        await seed(house.registry.store, [Seed.of(clone(obj), manager="kubernetes-admin")])
        seeded = clone(await house.client.get(type(obj), "seeded", obj.metadata.namespace))
        obj.metadata.name = "created"
        created = clone(await house.client.create(obj))
        for each in (seeded, created):
            each.metadata.uid = each.metadata.resourceVersion = each.metadata.name = ""
            each.metadata.labels.pop("kubernetes.io/metadata.name", None)
        assert seeded == created


async def test_what_is_there_stays_and_what_is_missing_comes_back_at_the_next_start() -> None:
    storage = MemoryStorage()
    async with open_house(storage) as house:
        critical = clone(await house.client.get(PriorityClass, "system-node-critical"))
        critical.description = "ours"
        await house.client.update(critical)
        await house.client.delete(ServiceAccount, "default", "kube-public")
        before = await storage.revision()
    async with open_house(storage) as house:
        assert (await house.client.get(PriorityClass, "system-node-critical")).description == "ours"
        assert await house.client.get(ServiceAccount, "default", "kube-public")
        assert await storage.revision() == before + 1


async def test_a_seed_is_told_to_watchers_and_can_be_changed() -> None:
    async with open_house() as house:
        await seed(house.registry.store, [Seed.of(Namespace(metadata=ObjectMeta(name="seeded")))])
        cache = house.registry.store.caches.peek(house.registry.catalogue.of(Namespace))
        entry = cache.ring[-1].entry
        assert json.loads(entry.encoded)["metadata"]["resourceVersion"] == entry.object.metadata.resourceVersion == str(entry.revision)
        namespace = clone(await house.client.get(Namespace, "seeded"))
        namespace.metadata.labels["team"] = "a"
        assert (await house.client.update(namespace)).metadata.labels["team"] == "a"


def test_a_seed_has_no_fields_that_came_after_the_level_of_the_cluster() -> None:
    volume = Volume(name="scratch", emptyDir=EmptyDirVolumeSource(mode=0o700))
    pod = Pod(metadata=ObjectMeta(name="seeded", namespace="default"), spec=PodSpec(volumes=[volume]))
    made = Seed(Pod, "default", "seeded", encode(pod))
    volumes = [json.loads(made.bytes_at(level))["spec"]["volumes"] for level in ("1.36", "1.37")]
    assert volumes == [[{"name": "scratch", "emptyDir": {}}], [{"name": "scratch", "emptyDir": {"mode": 0o700}}]]
