"""Pods that claim volumes."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import (
    EphemeralVolumeSource,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
    PersistentVolumeClaimVolumeSource,
    PersistentVolumeSpec,
    Volume,
    VolumeNodeAffinity,
)
from pilothouse.api.types.storage_v1 import StorageClass
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import World

REJECTED = " not found"
"""What upstream says after Pods that were rejected as a whole: see DynamicResources."""
NO_HELP = " no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def claim(*, volume: str = "", storage_class: str = "", phase: str = "Pending", **meta: Any) -> PersistentVolumeClaim:
    annotations = {"pv.kubernetes.io/bind-completed": "yes"} if volume else {}
    return PersistentVolumeClaim(
        metadata=ObjectMeta(name="data", namespace="default", annotations=annotations, **meta),
        spec=PersistentVolumeClaimSpec(volumeName=volume, storageClassName=storage_class),
        status=PersistentVolumeClaimStatus(phase=phase),
    )


def volume(*hosts: str) -> PersistentVolume:
    term = NodeSelectorTerm(matchExpressions=[NodeSelectorRequirement(key="kubernetes.io/hostname", operator="In", values=[*hosts])])
    affinity = VolumeNodeAffinity(required=NodeSelector(nodeSelectorTerms=[term]))
    return PersistentVolume(metadata=ObjectMeta(name="pv"), spec=PersistentVolumeSpec(nodeAffinity=affinity))


def claiming(**source: Any) -> Any:
    source = source or {"persistentVolumeClaim": PersistentVolumeClaimVolumeSource(claimName="data")}
    return pod(volumes=[Volume(name="data", **source)])


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        pytest.param([], '0/1 nodes are available: persistentvolumeclaim "data" not found.', id="no such claim"),
        pytest.param([claim()], "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.", id="an unbound claim"),
        pytest.param(
            [claim(volume="pv", phase="Lost")],
            '0/1 nodes are available: persistentvolumeclaim "data" bound to non-existent persistentvolume "pv".',
            id="a lost claim",
        ),
        pytest.param(
            [claim(deletionTimestamp="2025-01-01T00:00:00Z")],
            '0/1 nodes are available: persistentvolumeclaim "data" is being deleted.',
            id="a claim that is going",
        ),
        pytest.param(
            [claim(volume="pv"), volume("elsewhere")],
            "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
            id="a volume that is elsewhere",
        ),
        pytest.param(
            [claim(volume="pv")],
            "0/1 nodes are available: 1 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).",
            id="a volume that is gone",
        ),
    ],
)
async def test_waits_and_says_why(objects: list[Any], message: str) -> None:
    async with World().running() as world:
        await world.put(node("a"), *objects)
        await world.put(claiming())
        assert world.condition("web")[2] == message + (NO_HELP if "1 node(s)" in message else REJECTED)


async def test_goes_where_its_volume_is() -> None:
    async with World().running() as world:
        await world.put(node("a"), node("b"), claim(volume="pv"), volume("b"))
        await world.put(claiming())
        assert world.where("web") == "b"


async def test_wakes_when_its_claim_is_bound() -> None:
    async with World().running() as world:
        await world.put(node("a"), claim(), volume("a"))
        await world.put(claiming())
        assert world.where("web") == ""
        await world.put(claim(volume="pv"))
        assert world.where("web") == "a"


async def test_a_claim_that_waits_for_its_consumer_is_told_the_node() -> None:
    async with World().running() as world:
        storage = StorageClass(metadata=ObjectMeta(name="local"), provisioner="x", volumeBindingMode="WaitForFirstConsumer")
        await world.put(node("a"), storage, claim(storage_class="local"))
        await world.put(claiming())
        assert world.where("web") == "a"
        assert any(call.verb == "patch" and b"selected-node" in call.body for call in world.api.calls)


async def test_an_ephemeral_volume_waits_for_its_claim() -> None:
    async with World().running() as world:
        await world.put(node("a"))
        await world.put(claiming(ephemeral=EphemeralVolumeSource()))
        expected = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "web-data"'
        assert world.condition("web")[2] == f"0/1 nodes are available: {expected}." + REJECTED
