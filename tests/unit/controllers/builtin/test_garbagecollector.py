"""Garbage: what loses its owners goes, in the background, the foreground, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import ConfigMap, Event, Namespace, Node
from pilothouse.client.call import Options
from pilothouse.machinery.meta_v1 import ObjectMeta, OwnerReference
from pilothouse.testing.controllers import RegistryBench

GC = "generic-garbage-collector"


def owned_by(*owners: Any, blocks: bool = True) -> list[OwnerReference]:
    return [
        OwnerReference(apiVersion=one.apiVersion, kind=one.kind, name=one.metadata.name, uid=one.metadata.uid, blockOwnerDeletion=blocks)
        for one in owners
    ]


async def make(bench: RegistryBench, name: str, *owners: Any, blocks: bool = True, finalizers: tuple[str, ...] = ()) -> ConfigMap:
    meta = ObjectMeta(name=name, namespace="default", ownerReferences=owned_by(*owners, blocks=blocks), finalizers=[*finalizers])
    return await bench.client.create(ConfigMap(metadata=meta))


async def names(bench: RegistryBench) -> set[str]:
    return {one.metadata.name for one in await bench.all(ConfigMap, "default")}


async def delete(bench: RegistryBench, name: str, policy: str = "Background") -> None:
    await bench.client.delete(ConfigMap, name, "default", options=Options(propagation_policy=policy))
    await bench.advance(1)


async def test_background_deletes_dependents_of_dependents_after_their_owner() -> None:
    async with RegistryBench(GC) as bench:
        top = await make(bench, "top")
        middle = await make(bench, "middle", top)
        await make(bench, "bottom", middle)
        await make(bench, "stranger")
        await bench.advance(1)
        await delete(bench, "top")
        assert await names(bench) == {"stranger"}


async def test_foreground_keeps_the_owner_until_what_blocks_it_is_gone() -> None:
    async with RegistryBench(GC) as bench:
        top = await make(bench, "top")
        middle = await make(bench, "middle", top)
        await make(bench, "bottom", middle, finalizers=("test/hold",))
        await bench.advance(1)
        await delete(bench, "top", "Foreground")
        assert await names(bench) == {"top", "middle", "bottom"}
        held = await bench.client.get(ConfigMap, "bottom", "default")
        assert held.metadata.deletionTimestamp
        await bench.edit(ConfigMap, "bottom", lambda one: one.metadata.finalizers.clear(), "default")
        await bench.advance(1)
        assert await names(bench) == set()


async def test_foreground_does_not_wait_for_what_does_not_block() -> None:
    async with RegistryBench(GC) as bench:
        top = await make(bench, "top")
        await make(bench, "slow", top, blocks=False, finalizers=("test/hold",))
        await bench.advance(1)
        await delete(bench, "top", "Foreground")
        assert await names(bench) == {"slow"}


async def test_orphan_lets_the_dependents_live_without_their_owner() -> None:
    async with RegistryBench(GC) as bench:
        top = await make(bench, "top")
        await make(bench, "bottom", top)
        await bench.advance(1)
        await delete(bench, "top", "Orphan")
        assert await names(bench) == {"bottom"}
        assert (await bench.client.get(ConfigMap, "bottom", "default")).metadata.ownerReferences == []


async def test_one_owner_of_two_is_enough_and_the_lost_one_is_forgotten() -> None:
    async with RegistryBench(GC) as bench:
        first, second = await make(bench, "first"), await make(bench, "second")
        await make(bench, "shared", first, second)
        await bench.advance(1)
        await delete(bench, "first")
        left = await bench.client.get(ConfigMap, "shared", "default")
        assert [one.name for one in left.metadata.ownerReferences] == ["second"]
        await delete(bench, "second")
        assert await names(bench) == set()


@pytest.mark.parametrize("uid", ["", "00000000-0000-4000-8000-000000000000"], ids=["the same object", "another of that name"])
async def test_an_owner_counts_by_its_uid(uid: str) -> None:
    async with RegistryBench(GC) as bench:
        owner = await make(bench, "owner")
        references = owned_by(owner)
        references[0].uid = uid or references[0].uid
        await bench.client.create(ConfigMap(metadata=ObjectMeta(name="child", namespace="default", ownerReferences=references)))
        await bench.advance(1)
        assert ("child" in await names(bench)) == (uid == "")


async def test_what_lost_its_owner_while_the_collector_was_away_is_found() -> None:
    async with RegistryBench(GC) as bench:
        top = await make(bench, "top")
        await make(bench, "bottom", top)
        await bench.stop()
        await bench.client.delete(ConfigMap, "top", "default")
        await bench.start()
        await bench.advance(1)
        assert await names(bench) == set()


async def test_an_owner_of_the_whole_cluster_may_own_what_is_in_a_namespace() -> None:
    async with RegistryBench(GC) as bench:
        node = await bench.client.create(Node(metadata=ObjectMeta(name="node-1")))
        await make(bench, "of-the-node", node)
        await bench.advance(1)
        assert await names(bench) == {"of-the-node"}
        await bench.client.delete(Node, "node-1")
        await bench.advance(1)
        assert await names(bench) == set()


async def test_what_is_in_no_namespace_cannot_be_owned_from_within_one_and_stays() -> None:
    async with RegistryBench(GC) as bench:
        owner = await make(bench, "owner")
        await bench.client.create(Namespace(metadata=ObjectMeta(name="odd", ownerReferences=owned_by(owner))))
        await bench.advance(1)
        await delete(bench, "owner")
        assert (await bench.client.get(Namespace, "odd")).metadata.deletionTimestamp == ""


async def test_a_circle_that_is_deleted_in_the_foreground_ends() -> None:
    async with RegistryBench(GC) as bench:
        first = await make(bench, "first")
        second = await make(bench, "second", first)
        await bench.edit(ConfigMap, "first", lambda one: setattr(one.metadata, "ownerReferences", owned_by(second)), "default")
        await bench.advance(1)
        await delete(bench, "first", "Foreground")
        await bench.advance(60)
        assert await names(bench) == set()


@pytest.mark.parametrize("owner_first", [True, False], ids=["the owner is known first", "the dependent is known first"])
async def test_an_owner_in_another_namespace_owns_nothing_and_that_is_told(owner_first: bool) -> None:
    async with RegistryBench(GC) as bench:
        await bench.client.create(Namespace(metadata=ObjectMeta(name="other")))
        owner = await bench.client.create(ConfigMap(metadata=ObjectMeta(name="owner", namespace="other")))
        if owner_first:
            await bench.advance(1)
        dependent = await make(bench, "dependent", owner)
        await bench.advance(1)
        assert await names(bench) == set()
        assert (await bench.client.get(ConfigMap, "owner", "other")).metadata.uid == owner.metadata.uid
        [told] = [one for one in await bench.all(Event) if one.reason == "OwnerRefInvalidNamespace"]
        reference = f"[v1/ConfigMap, namespace: default, name: owner, uid: {owner.metadata.uid}]"
        assert (told.type, told.message) == ("Warning", f'ownerRef {reference} does not exist in namespace "default"')
        assert (told.involvedObject.uid, told.involvedObject.kind) == (dependent.metadata.uid, "ConfigMap")


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "another"), ("kind", "Secret"), ("apiVersion", "apps/v1")],
    ids=["another name", "another kind", "another group"],
)
@pytest.mark.parametrize("owner_first", [True, False], ids=["the owner is known first", "the dependent is known first"])
async def test_a_reference_with_the_owners_uid_that_names_another_owns_nothing(field: str, value: str, owner_first: bool) -> None:
    async with RegistryBench(GC) as bench:
        owner = await make(bench, "owner")
        if owner_first:
            await bench.advance(1)
        else:
            await bench.stop()
        references = owned_by(owner)
        setattr(references[0], field, value)
        await bench.client.create(ConfigMap(metadata=ObjectMeta(name="child", namespace="default", ownerReferences=references)))
        if not owner_first:
            await bench.start()
        await bench.advance(1)
        unknown = field == "apiVersion"  # apps/v1 has no ConfigMap: nothing can be known, so nothing is done, as upstream
        assert ("child" in await names(bench)) == unknown


@pytest.mark.parametrize("policy", ["Background", "Orphan"])
async def test_an_object_that_owns_itself_goes_when_it_is_deleted_and_leaves_no_work(policy: str) -> None:
    async with RegistryBench(GC) as bench:
        narcissus = await make(bench, "narcissus")
        await bench.edit(ConfigMap, "narcissus", lambda one: setattr(one.metadata, "ownerReferences", owned_by(narcissus)), "default")
        await bench.advance(1)
        assert await names(bench) == {"narcissus"}
        await delete(bench, "narcissus", policy)
        await bench.advance(600)
        assert await names(bench) == set()
