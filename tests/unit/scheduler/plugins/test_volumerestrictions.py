"""Claims that are for one Pod at a time."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import (
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimVolumeSource,
    Pod,
    Volume,
)
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.scheduler.plugins.volumerestrictions import REASON
from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import World


def claim(*modes: str, name: str = "data", namespace: str = "default") -> PersistentVolumeClaim:
    meta = ObjectMeta(name=name, namespace=namespace, annotations={"pv.kubernetes.io/bind-completed": "yes"})
    return PersistentVolumeClaim(metadata=meta, spec=PersistentVolumeClaimSpec(volumeName="pv", accessModes=[*modes]))


def user(name: str, claim: str = "data", **more: Any) -> Pod:
    return pod(name, volumes=[Volume(name="data", persistentVolumeClaim=PersistentVolumeClaimVolumeSource(claimName=claim))], **more)


@pytest.mark.parametrize(
    ("mode", "second", "placed"),
    [
        pytest.param("ReadWriteOncePod", user("second"), False, id="for one Pod of the cluster"),
        pytest.param("ReadWriteOnce", user("second"), True, id="for one node"),
        pytest.param("ReadWriteOncePod", user("second", "more"), True, id="another claim"),
        pytest.param("ReadWriteOncePod", user("second", namespace="other"), True, id="of another namespace"),
    ],
)
async def test_a_claim_for_one_pod(mode: str, second: Pod, placed: bool) -> None:
    async with World().running() as world:
        await world.put(node("a"), node("b"), PersistentVolume(metadata=ObjectMeta(name="pv")))
        await world.put(claim(mode), claim("ReadWriteOncePod", name="more"), claim(mode, namespace="other"), user("first"))
        await world.put(second)
        assert world.where("first")
        assert bool(world.api.get(Pod, "second", second.metadata.namespace).spec.nodeName) is placed
        if placed:
            return
        assert world.condition("second")[2] == (
            f"0/2 nodes are available: 2 {REASON[0]}. "
            "no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod."
        )
        world.api.remove(world.api.get(Pod, "first"))
        await world.put()
        assert world.where("second")


async def test_a_more_important_pod_takes_the_claim_of_a_lesser_one() -> None:
    async with World().running() as world:
        await world.put(node("a"), PersistentVolume(metadata=ObjectMeta(name="pv")), claim("ReadWriteOncePod"), user("low", priority=1))
        await world.put(user("high", priority=10))
        assert world.where("high") == "a"
        assert not any(one.metadata.name == "low" for one in world.api.all(Pod))
