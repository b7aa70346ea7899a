"""Ephemeral volumes: each has a claim of its Pod's own."""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.core_v1 import PersistentVolumeClaim, Pod
from pilothouse.controllers.builtin.ephemeralvolume import EphemeralVolumeController
from pilothouse.controllers.framework.actions import Create, Emit
from pilothouse.controllers.framework.owners import controller_reference
from pilothouse.machinery import codec
from pilothouse.testing.controllers import planned

TEMPLATE = {"metadata": {"labels": {"kind": "scratch"}}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"}}


def pod(phase: str = "Pending", **meta: Any) -> Pod:
    volumes = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": TEMPLATE}}, {"name": "other", "emptyDir": {}}]
    full = {"name": "p", "namespace": "n", "uid": "p-uid"} | meta
    return codec.from_dict({"metadata": full, "spec": {"volumes": volumes}, "status": {"phase": phase}}, Pod)


def claim(owner: Pod | None) -> PersistentVolumeClaim:
    one = codec.from_dict({"metadata": {"name": "p-scratch", "namespace": "n"}}, PersistentVolumeClaim)
    one.metadata.ownerReferences = [controller_reference(owner)] if owner is not None else []
    return one


def test_makes_the_claim_of_the_pod() -> None:
    [made] = planned(EphemeralVolumeController(), pod())
    assert isinstance(made, Create)
    assert (made.object.metadata.name, made.object.metadata.namespace, made.object.metadata.labels) == (
        "p-scratch",
        "n",
        {"kind": "scratch"},
    )
    assert made.object.spec.storageClassName == "fast"
    assert made.owner.metadata.uid == "p-uid"


def test_makes_none_that_is_there_and_none_for_a_pod_that_ends() -> None:
    assert planned(EphemeralVolumeController(), pod(), claim(pod())) == []
    assert planned(EphemeralVolumeController(), pod("Succeeded")) == []
    assert planned(EphemeralVolumeController(), pod(deletionTimestamp="2025-01-01T00:00:00Z")) == []


def test_another_s_claim_is_not_used() -> None:
    [told] = planned(EphemeralVolumeController(), pod(), claim(None))
    assert isinstance(told, Emit)
    assert (told.type, told.reason) == ("Warning", "FailedBinding")
    assert told.message == "ephemeral volume scratch: PVC n/p-scratch was not created for pod n/p (pod is not owner)"
