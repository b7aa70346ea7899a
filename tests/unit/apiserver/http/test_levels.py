"""An API server of an older level: its kinds, its fields, its documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilothouse import API_LEVEL, API_LEVELS
from pilothouse.api import catalogue
from pilothouse.api.types.autoscaling_v2 import HorizontalPodAutoscaler
from pilothouse.api.types.certificates_v1 import ClusterTrustBundle
from pilothouse.api.types.core_v1 import Node
from pilothouse.api.types.storage_v1 import CSIDriver, CSIDriverSpec
from pilothouse.apiserver.openapi import v3
from pilothouse.apiserver.paths import version
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.patch import parts
from pilothouse.testing import Cluster

SCALER = catalogue.resource_of(HorizontalPodAutoscaler)
CONDITION = {"type": "AbleToScale", "status": "True", "observedGeneration": 3}
DOCUMENT = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "status": {"conditions": [CONDITION]}}
BODY = json.dumps(DOCUMENT).encode()


def generation(obj: Any) -> int | None:
    (condition,) = obj.status.conditions
    found: int | None = condition.observedGeneration
    return found


@pytest.mark.parametrize("level", API_LEVELS)
def test_a_field_of_a_later_level_is_unknown(level: str) -> None:
    decoded = codec.decode(BODY, SCALER, strictness="Warn", level=level)
    is_there = level >= "1.37"
    assert generation(decoded.object) == (3 if is_there else None)
    assert decoded.warnings == ([] if is_there else ['unknown field "status.conditions[0].observedGeneration"'])


def test_strictness_refuses_a_field_of_a_later_level() -> None:
    with pytest.raises(StatusError, match=r"strict decoding error: unknown field"):
        codec.decode(BODY, SCALER, strictness="Strict", level="1.36")


def test_a_patch_does_not_bring_in_a_field_of_a_later_level() -> None:
    seen = HorizontalPodAutoscaler()
    for level, expected in (("1.36", None), (API_LEVEL, 3)):
        made = parts.apply_patch(seen, BODY, "application/merge-patch+json", "", level)
        assert generation(made.object) == expected


def test_an_object_that_came_otherwise_loses_its_later_fields() -> None:
    obj = codec.decode(BODY, SCALER).object
    assert generation(codec.at_level(obj, "1.35")) is None
    assert codec.at_level(obj, API_LEVEL) is obj


@pytest.mark.parametrize("level", API_LEVELS)
def test_kinds_are_those_of_the_level(level: str) -> None:
    served = catalogue.built_in(level)
    assert served.level == level
    assert served.by_kind("apps", "v1", "Deployment") is not None
    assert all(getattr(resource.type, "LEVEL", "") <= level for resource in served.resources())


@pytest.mark.parametrize("level", API_LEVELS)
def test_documents_tell_the_level(level: str) -> None:
    document = v3.document(catalogue.built_in(level).resources(), "autoscaling", "v2", level)
    condition = document["components"]["schemas"]["io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerCondition"]
    assert ("observedGeneration" in condition["properties"]) is (level >= "1.37")
    assert document["info"]["version"] == level
    told = version.info(level)
    assert (told.minor, told.gitVersion.partition("+")[0]) == (level.partition(".")[2], f"v{level}.0")


def test_a_cluster_of_an_older_level_serves_neither_its_kinds_nor_its_fields() -> None:
    driver = CSIDriver(metadata=ObjectMeta(name="csi.example.com"), spec=CSIDriverSpec(preventPodSchedulingIfMissing=True))
    with Cluster(nodes=1, kubernetes_version="1.35", clock="still") as cluster:
        assert cluster.create(driver).spec.preventPodSchedulingIfMissing is None
        assert cluster.get(Node, "node-0").status.nodeInfo.kubeletVersion == "v1.35.0"
        with pytest.raises(LookupError):
            cluster.create(ClusterTrustBundle(metadata=ObjectMeta(name="a")))


def test_a_level_that_is_not_served_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'1\.33' is not served: choose one of 1\.34, 1\.35, 1\.36, 1\.37"):
        Cluster(kubernetes_version="1.33")
