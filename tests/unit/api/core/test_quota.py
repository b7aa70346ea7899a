"""What counts for what against a quota."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.catalogue import resource_of
from pilothouse.api.core import quota
from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.core_v1 import (
    ConfigMap,
    PersistentVolumeClaim,
    Pod,
    ResourceQuota,
    ScopedResourceSelectorRequirement,
    Service,
)
from pilothouse.kit.virtual_clock import EPOCH
from pilothouse.machinery import codec

POD: dict[str, Any] = {
    "spec": {
        "containers": [
            {"name": "app", "resources": {"requests": {"cpu": "100m", "memory": "1Gi", "example.com/gpu": "2"}, "limits": {"cpu": "1"}}},
            {"name": "side", "resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "2Gi"}}},
        ],
        "initContainers": [{"name": "first", "resources": {"requests": {"cpu": "300m", "hugepages-2Mi": "4Mi"}}}],
    }
}
COUNTED = {
    "count/pods": "1", "pods": "1", "cpu": "300m", "requests.cpu": "300m", "memory": "1Gi", "requests.memory": "1Gi", "limits.cpu": "1",
    "limits.memory": "2Gi", "requests.example.com/gpu": "2", "hugepages-2Mi": "4Mi", "requests.hugepages-2Mi": "4Mi",
}  # fmt: skip
LATE = {"deletionTimestamp": "1999-12-31T00:00:00Z", "deletionGracePeriodSeconds": 30}
PORTS = [{"port": 80, "nodePort": 30080}, {"port": 81}]
GOLD = "gold.storageclass.storage.k8s.io/"


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        pytest.param(Pod, POD, COUNTED, id="a Pod by the sum of its containers or the peak of its init containers"),
        pytest.param(Pod, POD | {"status": {"phase": "Succeeded"}}, {"count/pods": "1"}, id="a Pod that has ended only as an object"),
        pytest.param(Pod, POD | {"metadata": LATE}, {"count/pods": "1"}, id="a Pod that should have gone, too"),
        pytest.param(
            Service,
            {"spec": {"type": "NodePort", "ports": PORTS}},
            {"count/services": "1", "services": "1", "services.nodeports": "2", "services.loadbalancers": "0"},
            id="a NodePort Service by its ports",
        ),
        pytest.param(
            Service,
            {"spec": {"type": "LoadBalancer", "ports": PORTS, "allocateLoadBalancerNodePorts": False}},
            {"count/services": "1", "services": "1", "services.nodeports": "1", "services.loadbalancers": "1"},
            id="a load balancer without node ports by those that it names",
        ),
        pytest.param(
            PersistentVolumeClaim,
            {"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "5Gi"}}}},
            {
                "count/persistentvolumeclaims": "1",
                "persistentvolumeclaims": "1",
                "requests.storage": "5Gi",
                f"{GOLD}persistentvolumeclaims": "1",
                f"{GOLD}requests.storage": "5Gi",
            },
            id="a claim in all and for its class",
        ),
        pytest.param(ConfigMap, {}, {"count/configmaps": "1", "configmaps": "1"}, id="a ConfigMap by its old name, too"),
        pytest.param(Deployment, {}, {"count/deployments.apps": "1"}, id="anything else as an object of its group"),
    ],
)
def test_usage(kind: type[Any], data: dict[str, Any], expected: dict[str, str]) -> None:
    found = quota.usage(codec.from_dict(data, kind), resource_of(kind), EPOCH)
    wanted = {name for name in found if name in quota.counted(resource_of(kind), expected)}
    assert {name: str(found[name]) for name in wanted} == expected
    assert {name for name in found if quota.counted(resource_of(kind), [name])} == {*expected}


def test_a_quota_shows_zero_for_what_nothing_uses_and_nothing_for_what_no_kind_counts() -> None:
    one = codec.from_dict({"spec": {"hard": {"pods": "3", "limits.cpu": "4", "count/leases.coordination.k8s.io": "1"}}}, ResourceQuota)
    assert quota.used(one, resource_of(Pod), [], EPOCH) == {"pods": quota.NONE, "limits.cpu": quota.NONE}
    pods = [codec.from_dict(POD, Pod)] * 2
    assert {name: str(value) for name, value in quota.used(one, resource_of(Pod), pods, EPOCH).items()} == {"pods": "2", "limits.cpu": "2"}


def test_what_containers_must_say() -> None:
    pod = codec.from_dict(POD, Pod)
    assert quota.missing_resources(pod, ["pods", "ephemeral-storage"]) == ""
    expected = "must specify limits.cpu for: first,side; memory for: first,side"
    assert quota.missing_resources(pod, ["limits.cpu", "memory", "requests.cpu"]) == expected


@pytest.mark.parametrize(
    ("scope", "operator", "values", "spec", "expected"),
    [
        pytest.param("Terminating", "Exists", [], {"activeDeadlineSeconds": 0}, True, id="with a deadline"),
        pytest.param("NotTerminating", "Exists", [], {"activeDeadlineSeconds": 5}, False, id="not with a deadline"),
        pytest.param("BestEffort", "Exists", [], {"containers": [{"name": "app"}]}, True, id="best effort"),
        pytest.param("NotBestEffort", "Exists", [], POD["spec"], True, id="more than best effort"),
        pytest.param("PriorityClass", "In", ["high"], {"priorityClassName": "high"}, True, id="of a priority class"),
        pytest.param("PriorityClass", "NotIn", ["high"], {}, True, id="of no priority class is not in any"),
        pytest.param("PriorityClass", "DoesNotExist", [], {"priorityClassName": "high"}, False, id="without a priority class"),
        pytest.param(
            "CrossNamespacePodAffinity",
            "Exists",
            [],
            {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["a"], "topologyKey": "x"}]}}},
            True,
            id="with affinity to another namespace",
        ),
    ],
)
def test_scopes(scope: str, operator: str, values: list[str], spec: dict[str, Any], expected: bool) -> None:
    requirement = ScopedResourceSelectorRequirement(scopeName=scope, operator=operator, values=values)
    assert quota.in_scope(requirement, codec.from_dict({"spec": spec}, Pod)) is expected
    assert not quota.in_scope(requirement, ConfigMap())
