"""Pods that claim volumes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from pilothouse.api.types.core_v1 import (
    EphemeralVolumeSource,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    ObjectReference,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
    PersistentVolumeClaimVolumeSource,
    PersistentVolumeSpec,
    Pod,
    TopologySelectorLabelRequirement,
    TopologySelectorTerm,
    Volume,
    VolumeNodeAffinity,
    VolumeResourceRequirements,
)
from pilothouse.api.types.storage_v1 import StorageClass
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta
from pilothouse.scheduler.freevolumes import suits
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


def storage_class(provisioner: str = "example.com/disks", **more: Any) -> StorageClass:
    return StorageClass(metadata=ObjectMeta(name="slow"), provisioner=provisioner, volumeBindingMode="WaitForFirstConsumer", **more)


def waiting(name: str = "data", **meta: Any) -> PersistentVolumeClaim:
    made = claim(storage_class="slow", **meta)
    made.metadata.name, made.metadata.uid = name, name
    made.spec.accessModes, made.spec.resources = ["ReadWriteOnce"], VolumeResourceRequirements(requests={"storage": "1Gi"})
    return made


def bound(name: str, to: str) -> PersistentVolumeClaim:
    made = waiting(name)
    made.spec.volumeName, made.metadata.annotations = to, {"pv.kubernetes.io/bind-completed": "yes"}
    return made


def free(name: str, *hosts: str, size: str = "1Gi", **spec: Any) -> PersistentVolume:
    made = volume(*hosts)
    made.metadata.name, made.status.phase = name, "Available"
    made.spec.storageClassName, made.spec.capacity, made.spec.accessModes = "slow", {"storage": size}, ["ReadWriteOnce"]
    return msgspec.structs.replace(made, spec=msgspec.structs.replace(made.spec, **spec))


def user(name: str, *claims: str) -> Any:
    sources = [PersistentVolumeClaimVolumeSource(claimName=one) for one in claims]
    return pod(name, volumes=[Volume(name=one.claimName, persistentVolumeClaim=one) for one in sources])


async def test_a_claim_that_waits_for_its_consumer_is_told_the_node_and_the_pod_waits_for_it() -> None:
    async with World().running() as world:
        await world.put(node("a"), storage_class(), waiting())
        await world.put(claiming())
        assert world.api.get(PersistentVolumeClaim, "data").metadata.annotations == {"volume.kubernetes.io/selected-node": "a"}
        assert world.where("web") == ""
        await world.put(volume("a"), bound("data", "pv"))
        assert world.where("web") == "a"


async def test_who_waits_for_volumes_keeps_nobody_from_being_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World().running() as world:
        monkeypatch.setattr(world.scheduler, "_slots", asyncio.Semaphore(1))
        await world.put(node("a"), storage_class(), waiting(), waiting("more"))
        await world.put(user("first", "data"), user("second", "more"), pod("third"))
        assert [world.where(name) for name in ("first", "second", "third")] == ["", "", "a"]
        await world.put(volume("a"), bound("data", "pv"))
        assert [world.where(name) for name in ("first", "second", "third")] == ["a", "", "a"]


async def test_free_volumes_are_given_one_pod_each_where_they_are() -> None:
    async with World().running() as world:
        await world.put(*(node(name) for name in "abc"), storage_class("kubernetes.io/no-provisioner"))
        await world.put(free("on-a", "a"), free("on-b", "b"), *(waiting(name) for name in ("one", "two", "three")))
        await world.put(*(user(name, name) for name in ("one", "two", "three")))
        told = [world.api.get(PersistentVolumeClaim, name).metadata.annotations for name in ("one", "two", "three")]
        assert sorted(one["volume.kubernetes.io/selected-node"] for one in told if one) == ["a", "b"]
        why = "0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind."
        assert world.condition("three")[2] == why + NO_HELP.replace("0/1", "0/3").replace("1 P", "3 P")


async def test_a_pod_that_follows_one_which_went_while_it_waited_gets_the_same_volume() -> None:
    async with World().running() as world:
        await world.put(node("a"), node("b"), storage_class("kubernetes.io/no-provisioner"), free("on-b", "b"), waiting())
        await world.put(user("web", "data"))
        world.api.remove(world.api.get(Pod, "web"))
        await world.put(user("again", "data"))
        await world.put(bound("data", "on-b"))
        assert world.where("again") == "b"


async def test_a_pod_with_two_claims_needs_two_volumes_on_its_node() -> None:
    async with World().running() as world:
        await world.put(node("a"), node("b"), storage_class("kubernetes.io/no-provisioner"), waiting("one"), waiting("two"))
        await world.put(free("a1", "a"), free("b1", "b"), free("b2", "b"), user("web", "one", "two"))
        told = [world.api.get(PersistentVolumeClaim, name).metadata.annotations for name in ("one", "two")]
        assert told == [{"volume.kubernetes.io/selected-node": "b"}] * 2


async def test_a_provisioner_works_only_where_its_class_allows() -> None:
    zone_b = TopologySelectorTerm(matchLabelExpressions=[TopologySelectorLabelRequirement(key="zone", values=["b"])])
    async with World().running() as world:
        await world.put(*(node(name, labels={"zone": name}) for name in "abc"), storage_class(allowedTopologies=[zone_b]), waiting())
        await world.put(claiming())
        assert world.api.get(PersistentVolumeClaim, "data").metadata.annotations == {"volume.kubernetes.io/selected-node": "b"}


async def test_a_provisioner_that_gives_up_has_the_pod_scheduled_again() -> None:
    async with World().running() as world:
        await world.put(node("a"), storage_class(), waiting())
        await world.put(claiming())
        await world.put(waiting())  # without the annotation
        why = 'running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"'
        assert world.condition("web") == ("False", "SchedulerError", why)
        await world.clock.advance(1)
        assert world.api.get(PersistentVolumeClaim, "data").metadata.annotations == {"volume.kubernetes.io/selected-node": "a"}


async def test_nobody_waits_for_volumes_longer_than_ten_minutes() -> None:
    async with World().running() as world:
        await world.put(node("a"), storage_class(), waiting())
        await world.put(claiming())
        await world.clock.advance(599)
        assert world.messages("FailedScheduling") == []
        await world.clock.advance(1)
        assert world.messages("FailedScheduling") == ['running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded']


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(free("pv"), True, id="one that does"),
        pytest.param(free("pv", size="2Gi"), True, id="a larger one"),
        pytest.param(free("pv", size="1G"), False, id="a smaller one"),
        pytest.param(free("pv", storageClassName="fast"), False, id="of another class"),
        pytest.param(free("pv", volumeMode="Block"), False, id="of another mode"),
        pytest.param(free("pv", accessModes=["ReadOnlyMany"]), False, id="for other ways of access"),
        pytest.param(free("pv", accessModes=["ReadOnlyMany", "ReadWriteOnce"]), True, id="for more ways of access"),
        pytest.param(free("pv", claimRef=ObjectReference(namespace="default", name="data")), True, id="reserved for it"),
        pytest.param(free("pv", claimRef=ObjectReference(namespace="default", name="data", uid="old")), False, id="for one before it"),
        pytest.param(free("pv", claimRef=ObjectReference(namespace="default", name="more")), False, id="reserved for another"),
        pytest.param(volume("a"), False, id="one that is not available"),
    ],
)
def test_which_volume_suits(one: PersistentVolume, expected: bool) -> None:
    assert suits(one, waiting()) is expected


def test_a_selector_chooses_among_volumes() -> None:
    wanting = waiting()
    wanting.spec.selector = LabelSelector(matchLabels={"disk": "ssd"})
    labelled = free("pv")
    assert not suits(labelled, wanting)
    labelled.metadata.labels = {"disk": "ssd"}
    assert suits(labelled, wanting)


async def test_an_ephemeral_volume_waits_for_its_claim() -> None:
    async with World().running() as world:
        await world.put(node("a"))
        await world.put(claiming(ephemeral=EphemeralVolumeSource()))
        expected = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "web-data"'
        assert world.condition("web")[2] == f"0/1 nodes are available: {expected}." + REJECTED
