"""PersistentVolumes and their claims: sources, capacities, what may change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import SecretReference
from pilothouse.machinery.codec import clone, encode
from tests.unit.api.objects import created, defaulted, wrong_with, wrong_with_change, wrong_with_status

BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
DIRECTORY = {"hostPath": {"path": "/data"}}
DRIVER = {"csi": {"driver": "d.e", "volumeHandle": "h"}}
SNAPSHOT = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}
POPULATOR = {"apiGroup": "acme.io", "kind": "Backup", "name": "b"}


def volume(**spec: Any) -> dict[str, Any]:
    whole = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": whole}


def claim(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    whole = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    metadata = {"name": "c", "namespace": "n", "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": whole}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(volume(**DIRECTORY), [], id="a directory"),
        pytest.param(volume(**DRIVER, volumeAttributesClassName="fast"), [], id="a driver's"),
        pytest.param(volume(), ["spec: Required value: must specify a volume type"], id="no source"),
        pytest.param(
            volume(**DIRECTORY, **DRIVER, accessModes=[]),
            ["spec.accessModes: Required value", "spec.csi: Forbidden: may not specify more than 1 volume type"],
            id="two sources and no mode",
        ),
        pytest.param(
            volume(**DIRECTORY, accessModes=["ReadWriteOncePod", "ReadWriteOnce"], capacity={}),
            [
                "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
                "spec.capacity: Required value",
                'spec.capacity: Unsupported value: null: supported values: "storage"',
            ],
            id="for one Pod and for more",
        ),
        pytest.param(
            volume(csi={"driver": "", "nodePublishSecretRef": {"name": "s"}}),
            [
                "spec.csi.driver: Required value",
                "spec.csi.volumeHandle: Required value",
                "spec.csi.nodePublishSecretRef.namespace: Required value",
            ],
            id="no driver",
        ),
        pytest.param(
            volume(hostPath={"path": "//"}, persistentVolumeReclaimPolicy="Recycle"),
            ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"],
            id="the whole machine is not wiped",
        ),
        pytest.param(
            volume(nfs={"server": "s", "path": "relative"}, volumeAttributesClassName="fast"),
            [
                'spec.nfs.path: Invalid value: "relative": must be an absolute path',
                "spec.csi: Required value: has to be specified when using volumeAttributesClassName",
            ],
            id="nfs",
        ),
        pytest.param(claim(), [], id="a claim"),
        pytest.param(claim(resources={"requests": {"storage": "1Gi", "cpu": "1"}}), [], id="upstream looks at the storage alone"),
        pytest.param(
            claim(accessModes=[], resources={}),
            ["spec.accessModes: Required value: at least 1 access mode is required", "spec.resources[storage]: Required value"],
            id="a claim of nothing",
        ),
        pytest.param(claim(dataSource=SNAPSHOT, dataSourceRef=SNAPSHOT), [], id="from a snapshot"),
        pytest.param(
            claim(dataSource=SNAPSHOT, dataSourceRef=POPULATOR),
            ["spec: Invalid value: {}: must match dataSourceRef"],
            id="two sources",
        ),
        pytest.param(
            claim(dataSourceRef={"kind": "", "name": "x"}),
            [
                f"spec.{field}{rest}"
                for field in ("dataSource", "dataSourceRef")
                for rest in (
                    ".kind: Required value",
                    ": Invalid value: \"\": must be 'PersistentVolumeClaim' when referencing the default apiGroup",
                )
            ],
            id="a source without a kind",
        ),
    ],
)
def test_what_is_wrong_with_a_volume_or_claim(document: dict[str, Any], expected: list[str]) -> None:
    assert wrong_with(document) == expected


@pytest.mark.parametrize(
    ("given", "source", "ref"),
    [
        pytest.param({"dataSource": SNAPSHOT}, "VolumeSnapshot", "VolumeSnapshot", id="the older field"),
        pytest.param({"dataSourceRef": SNAPSHOT}, "VolumeSnapshot", "VolumeSnapshot", id="the newer field"),
        pytest.param({"dataSource": POPULATOR}, "", "", id="the older field knows no populators"),
        pytest.param({"dataSourceRef": POPULATOR}, "Backup", "Backup", id="the newer field does"),
        pytest.param({"dataSourceRef": {**SNAPSHOT, "namespace": "o"}}, "", "", id="of another namespace"),
    ],
)
def test_what_a_claim_is_filled_from_stands_in_both_fields(given: dict[str, Any], source: str, ref: str) -> None:
    spec = created(claim(**given)).spec
    assert [one.kind if one else "" for one in (spec.dataSource, spec.dataSourceRef)] == [source, ref]


def test_the_sort_of_a_directory_is_told_though_it_is_none() -> None:
    """Upstream's default is a pointer to nothing: the field is always there."""
    assert b'"hostPath":{"path":"/data","type":""}' in encode(defaulted(volume(**DIRECTORY)))


def test_volumes_that_lie_elsewhere_have_the_defaults_of_a_pods() -> None:
    spec = defaulted(volume(iscsi={"targetPortal": "p", "iqn": "i", "lun": 0}, rbd={"monitors": ["m"], "image": "i"})).spec
    assert (spec.iscsi.iscsiInterface, spec.rbd.pool, spec.rbd.user) == ("default", "rbd", "admin")


def test_what_a_claim_has_got_is_not_negative() -> None:
    old = created(claim())
    new = clone(old)
    new.status.capacity = {"storage": "-1"}
    assert wrong_with_status(old, new) == ["status.capacity[storage]: Invalid value: -1: must be a valid resource quantity"]


def set_class(one: Any) -> None:
    one.spec.storageClassName = "fast"


def drop_annotation(one: Any) -> None:
    one.metadata.annotations = {}


def drop_attributes(one: Any) -> None:
    one.spec.volumeAttributesClassName = None


def set_secret(one: Any) -> None:
    one.spec.csi.controllerExpandSecretRef = SecretReference(name="s", namespace="n")


def set_handle(one: Any) -> None:
    one.spec.csi.volumeHandle = "other"


@pytest.mark.parametrize(
    ("document", "change", "expected"),
    [
        pytest.param(claim(), set_class, "", id="the default class comes later"),
        pytest.param(claim({BETA_CLASS: "fast"}), set_class, "", id="the class that the annotation names"),
        pytest.param(claim({BETA_CLASS: "slow"}), set_class, "spec: Forbidden: spec is immutable", id="another class"),
        pytest.param(
            claim({BETA_CLASS: "slow"}),
            drop_annotation,
            f'metadata.annotations.{BETA_CLASS}: Invalid value: "": field is immutable',
            id="the annotation goes",
        ),
        pytest.param(
            claim(volumeAttributesClassName="fast"),
            drop_attributes,
            "spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden",
            id="no attributes any more",
        ),
        pytest.param(volume(**DRIVER), set_secret, "", id="the secret to grow with comes later"),
        pytest.param(
            volume(**DRIVER),
            set_handle,
            "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation",
            id="another volume",
        ),
    ],
)
def test_what_may_change(document: dict[str, Any], change: Callable[[Any], None], expected: str) -> None:
    old = created(document)
    old.status.phase = "Bound"
    new = clone(old)
    change(new)
    found = wrong_with_change(old, new)
    assert len(found) == bool(expected)
    assert "".join(found).startswith(expected)
