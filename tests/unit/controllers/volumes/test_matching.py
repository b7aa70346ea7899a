"""Which volume answers a claim."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import Node, PersistentVolume, PersistentVolumeClaim
from pilothouse.controllers.volumes.matching import best, mismatch
from pilothouse.machinery import codec


def volume(
    name: str, size: str = "5Gi", *, phase: str = "Available", labels: dict[str, str] | None = None, **spec: Any
) -> PersistentVolume:
    base = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeMode": "Filesystem"}
    data = {"metadata": {"name": name, "labels": labels or {}}, "spec": base | spec, "status": {"phase": phase}}
    return codec.from_dict(data, PersistentVolume)


def claim(size: str = "2Gi", **spec: Any) -> PersistentVolumeClaim:
    base = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, "storageClassName": "fast"}
    return codec.from_dict({"metadata": {"name": "c", "namespace": "n", "uid": "c-uid"}, "spec": base | spec}, PersistentVolumeClaim)


def reference(name: str = "c", uid: str = "") -> dict[str, str]:
    return {"namespace": "n", "name": name, "uid": uid}


ON_A = {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "host", "operator": "In", "values": ["a"]}]}]}}


@pytest.mark.parametrize(
    ("one", "volumes", "expected"),
    [
        pytest.param(claim(), [], None, id="there is none"),
        pytest.param(
            claim(), [volume("large", "9Gi"), volume("small", "3Gi"), volume("tiny", "1Gi")], "small", id="the smallest that does"
        ),
        pytest.param(claim(), [volume("x", phase="Released")], None, id="not one that another has left"),
        pytest.param(claim(), [volume("x", storageClassName="slow")], None, id="of its class"),
        pytest.param(claim(accessModes=["ReadWriteMany"]), [volume("x")], None, id="with its access modes"),
        pytest.param(claim(volumeMode="Block"), [volume("x")], None, id="of its mode"),
        pytest.param(claim(selector={"matchLabels": {"disk": "b"}}), [volume("x"), volume("y", labels={"disk": "b"})], "y", id="selected"),
        pytest.param(claim(), [volume("s", "2Gi"), volume("r", "9Gi", claimRef=reference())], "r", id="reserved goes before"),
        pytest.param(claim(), [volume("x", claimRef=reference(uid="c-uid"), phase="Bound")], "x", id="bound to it already"),
        pytest.param(claim(), [volume("x", claimRef=reference("other"))], None, id="reserved for another"),
        pytest.param(claim(), [volume("x", claimRef=reference(uid="earlier"))], None, id="for an earlier claim of that name"),
        pytest.param(claim("9Gi"), [volume("x", claimRef=reference())], None, id="reserved and too small"),
    ],
)
def test_the_best_volume(one: PersistentVolumeClaim, volumes: list[PersistentVolume], expected: str | None) -> None:
    found = best(one, volumes)
    assert (found and found.metadata.name) == expected


@pytest.mark.parametrize(("node", "expected"), [("", None), ("a", "near"), ("b", "far")])
def test_a_claim_that_waits_gets_what_its_first_consumer_can_reach(node: str, expected: str | None) -> None:
    volumes = [volume("near", "2Gi", nodeAffinity=ON_A), volume("far", "9Gi")]
    chosen = codec.from_dict({"metadata": {"name": node, "labels": {"host": node}}}, Node) if node else None
    found = best(claim(), volumes, chosen, delayed=True)
    assert (found and found.metadata.name) == expected


@pytest.mark.parametrize(
    ("one", "problem"),
    [
        (volume("x"), ""),
        (volume("x", "1Gi"), "requested PV is too small"),
        (volume("x", storageClassName=""), "storageClassName does not match"),
        (volume("x", volumeMode="Block"), "incompatible volumeMode"),
        (volume("x", accessModes=["ReadOnlyMany"]), "incompatible accessMode"),
    ],
)
def test_why_a_volume_does_not_do(one: PersistentVolume, problem: str) -> None:
    assert mismatch(one, claim()) == problem
