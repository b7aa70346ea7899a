"""Claims and volumes against the real registry: bound, kept, lost, left and protected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import Event, Node, PersistentVolume, PersistentVolumeClaim, Pod
from pilothouse.api.types.storage_v1 import StorageClass, VolumeAttributesClass
from pilothouse.machinery import codec
from pilothouse.testing.controllers import RegistryBench

CONTROLLERS = (
    "persistentvolume-binder",
    "persistentvolume",
    "persistentvolumeclaim-protection-controller",
    "persistentvolume-protection-controller",
    "volumeattributesclass-protection-controller",
    "namespace",
    "serviceaccount",
)


class Volumes(RegistryBench):
    """The controllers of volumes and claims."""

    def __init__(self) -> None:
        super().__init__(*CONTROLLERS)

    async def volume(self, name: str = "disk", **spec: Any) -> None:
        base = {"capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"}}
        await self.client.create(codec.from_dict({"metadata": {"name": name}, "spec": base | spec}, PersistentVolume))
        await self.advance(1)

    async def claim(self, name: str = "want", **spec: Any) -> None:
        base = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}, "storageClassName": ""}
        await self.client.create(
            codec.from_dict({"metadata": {"name": name, "namespace": "default"}, "spec": base | spec}, PersistentVolumeClaim)
        )
        await self.advance(1)

    async def kind(self, provisioner: str, mode: str = "Immediate") -> None:
        data = {"metadata": {"name": "fast"}, "provisioner": provisioner, "volumeBindingMode": mode}
        await self.client.create(codec.from_dict(data, StorageClass))
        await self.advance(1)

    async def phases(self) -> tuple[list[str], list[str]]:
        """Of the volumes, and of the claims."""
        volumes, claims = await self.all(PersistentVolume), await self.all(PersistentVolumeClaim)
        return [one.status.phase for one in volumes], [one.status.phase for one in claims]

    async def told(self) -> list[tuple[str, str]]:
        return [(one.reason, one.message) for one in await self.all(Event)]

    async def delete(self, kind: type[Any], name: str, namespace: str = "") -> None:
        await self.client.delete(kind, name, namespace)
        await self.advance(2)


@pytest.fixture
async def bench() -> AsyncIterator[Volumes]:
    async with Volumes() as one:
        await one.advance(1)
        yield one


@pytest.mark.parametrize("volume_first", [True, False])
async def test_a_claim_is_bound_whichever_comes_first(bench: Volumes, volume_first: bool) -> None:
    if volume_first:
        await bench.volume()
        assert await bench.phases() == (["Available"], [])
        await bench.claim()
    else:
        await bench.claim()
        assert await bench.phases() == ([], ["Pending"])
        assert await bench.told() == [("FailedBinding", "no persistent volumes available for this claim and no storage class is set")]
        await bench.volume()
    assert await bench.phases() == (["Bound"], ["Bound"])
    [volume], [claim] = await bench.all(PersistentVolume), await bench.all(PersistentVolumeClaim)
    assert volume.spec.claimRef is not None
    assert (volume.spec.claimRef.name, volume.spec.claimRef.uid) == ("want", claim.metadata.uid)
    assert volume.metadata.annotations == {"pv.kubernetes.io/bound-by-controller": "yes"}
    assert (claim.spec.volumeName, claim.status.capacity, claim.status.accessModes) == ("disk", {"storage": "5Gi"}, ["ReadWriteOnce"])
    assert claim.metadata.annotations == {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}


async def test_of_two_claims_for_one_volume_one_gets_it(bench: Volumes) -> None:
    await bench.claim("first")
    await bench.claim("second")
    await bench.volume()
    await bench.advance(5)
    assert sorted((await bench.phases())[1]) == ["Bound", "Pending"]
    await bench.volume("another")
    assert await bench.phases() == (["Bound", "Bound"], ["Bound", "Bound"])


async def test_a_claim_may_ask_for_its_volume(bench: Volumes) -> None:
    await bench.volume("small", capacity={"storage": "1Gi"})
    await bench.claim(volumeName="small")
    assert ("VolumeMismatch", 'Cannot bind to requested volume "small": requested PV is too small') in await bench.told()
    await bench.volume("disk")
    await bench.claim("other", volumeName="disk")
    assert (await bench.phases())[1] == ["Bound", "Pending"]
    await bench.claim("late", volumeName="disk")
    assert ("FailedBinding", 'volume "disk" already bound to a different claim.') in await bench.told()


@pytest.mark.parametrize(
    ("policy", "phase", "told"),
    [
        ("Retain", "Released", []),
        (
            "Delete",
            "Failed",
            [("VolumeFailedDelete", 'error getting deleter volume plugin for volume "disk": no deletable volume plugin matched')],
        ),
    ],
)
async def test_what_becomes_of_a_volume_whose_claim_is_gone(bench: Volumes, policy: str, phase: str, told: list[Any]) -> None:
    await bench.volume(persistentVolumeReclaimPolicy=policy)
    await bench.claim()
    await bench.delete(PersistentVolumeClaim, "want", "default")
    assert await bench.phases() == ([phase], [])
    assert await bench.told() == told
    await bench.claim()
    assert (await bench.phases())[1] == ["Pending"], "what is left is nobody's until an administrator says so"
    await bench.edit(PersistentVolume, "disk", lambda one: setattr(one.spec, "claimRef", None))
    await bench.advance(2)
    assert await bench.phases() == (["Bound"], ["Bound"])


async def test_a_claim_without_its_volume_is_lost(bench: Volumes) -> None:
    await bench.volume()
    await bench.claim()
    await bench.delete(PersistentVolume, "disk")
    assert await bench.phases() == (["Bound"], ["Bound"]), "it is protected as long as it is bound"
    await bench.edit(PersistentVolume, "disk", lambda one: setattr(one.metadata, "finalizers", []))
    await bench.advance(2)
    assert await bench.phases() == ([], ["Lost"])
    assert await bench.told() == [("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")]


async def test_a_claim_in_use_goes_when_its_pod_is_gone(bench: Volumes) -> None:
    await bench.volume()
    await bench.claim()
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n", "terminationGracePeriodSeconds": 0}
    spec["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "want"}}]
    await bench.client.create(codec.from_dict({"metadata": {"name": "user", "namespace": "default"}, "spec": spec}, Pod))
    await bench.delete(PersistentVolumeClaim, "want", "default")
    [claim] = await bench.all(PersistentVolumeClaim)
    assert claim.metadata.deletionTimestamp
    assert claim.metadata.finalizers == ["kubernetes.io/pvc-protection"]
    await bench.delete(Pod, "user", "default")
    assert await bench.all(PersistentVolumeClaim) == []


@pytest.mark.parametrize(
    ("provisioner", "reason", "word"),
    [
        ("example.com/disks", "ExternalProvisioning", "external provisioner 'example.com/disks'"),
        ("kubernetes.io/no-provisioner", "ProvisioningFailed", "no volume plugin matched name: kubernetes.io/no-provisioner"),
        ("", "ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found'),
    ],
)
async def test_a_claim_of_a_class_waits_for_who_provisions_it(bench: Volumes, provisioner: str, reason: str, word: str) -> None:
    if provisioner:
        await bench.kind(provisioner)
    await bench.claim(storageClassName="fast")
    [(why, message)] = await bench.told()
    assert why == reason
    assert word in message
    [claim] = await bench.all(PersistentVolumeClaim)
    asked = claim.metadata.annotations.get("volume.kubernetes.io/storage-provisioner", "")
    assert asked == (provisioner if reason == "ExternalProvisioning" else "")
    await bench.volume(storageClassName="fast")
    assert await bench.phases() == (["Bound"], ["Bound"])


async def test_a_claim_waits_for_its_first_consumer(bench: Volumes) -> None:
    await bench.kind("kubernetes.io/no-provisioner", "WaitForFirstConsumer")
    await bench.volume(storageClassName="fast")
    await bench.claim(storageClassName="fast")
    assert await bench.phases() == (["Available"], ["Pending"])
    assert await bench.told() == [("WaitForFirstConsumer", "waiting for first consumer to be created before binding")]
    await bench.client.create(codec.from_dict({"metadata": {"name": "n"}}, Node))
    chosen = {"volume.kubernetes.io/selected-node": "n"}
    await bench.edit(PersistentVolumeClaim, "want", lambda one: one.metadata.annotations.update(chosen), "default")
    await bench.advance(2)
    assert await bench.phases() == (["Bound"], ["Bound"])


async def test_a_class_of_attributes_goes_when_nobody_names_it(bench: Volumes) -> None:
    data = {"metadata": {"name": "gold"}, "driverName": "d", "parameters": {"iops": "1"}}
    for name in ("gold", "idle"):
        await bench.client.create(codec.from_dict(data | {"metadata": {"name": name}}, VolumeAttributesClass))
    assert [one.metadata.finalizers for one in await bench.all(VolumeAttributesClass)] == [["kubernetes.io/vac-protection"]] * 2
    await bench.claim(storageClassName="none", volumeAttributesClassName="gold")
    await bench.delete(VolumeAttributesClass, "gold")
    await bench.delete(VolumeAttributesClass, "idle")
    [kept] = await bench.all(VolumeAttributesClass)
    assert (kept.metadata.name, bool(kept.metadata.deletionTimestamp)) == ("gold", True)
    await bench.delete(PersistentVolumeClaim, "want", "default")
    assert await bench.all(VolumeAttributesClass) == []
