"""HorizontalPodAutoscalers, PodDisruptionBudgets and NetworkPolicies: their rules in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.machinery.codec import clone
from tests.unit.api.objects import cells, created, wrong_with, wrong_with_status

SOURCE_TYPES = 'supported values: "ContainerResource", "External", "Object", "Pods", "Resource"'
USAGE = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}


def autoscaler(*metrics: dict[str, Any]) -> dict[str, Any]:
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "maxReplicas": 3, "metrics": list(metrics)}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "t", "namespace": "n"}, "spec": spec}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        pytest.param({"type": "Resource", "resource": USAGE}, [], id="cpu"),
        pytest.param(
            {"resource": USAGE},
            ["type: Required value: must specify a metric source type", f'type: Unsupported value: "": {SOURCE_TYPES}'],
            id="no type",
        ),
        pytest.param(
            {"type": "Resource", "resource": {"target": {}}},
            [
                "resource.name: Required value: must specify a resource name",
                "resource.target.type: Required value: must specify a metric target type",
                'resource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
                "resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization",
            ],
            id="a resource without anything",
        ),
        pytest.param(
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 5, "averageValue": "1"}},
            },
            ["resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization"],
            id="two targets",
        ),
        pytest.param(
            {"type": "ContainerResource", "containerResource": {**USAGE, "container": ""}},
            ["containerResource.container: Required value: must specify a container"],
            id="a resource of no container",
        ),
        pytest.param(
            {"type": "Pods", "pods": {"metric": {"name": ""}, "target": {"type": "Value", "value": "1"}}},
            [
                "pods.metric.name: Required value: must specify a metric name",
                "pods.target.averageValue: Required value: must specify a positive target averageValue",
            ],
            id="pods without an average",
        ),
        pytest.param(
            {"type": "Object", "object": {"metric": {"name": "m"}, "target": {"type": "Value"}}},
            [
                "object.describedObject.kind: Required value",
                "object.describedObject.name: Required value",
                "object.target.averageValue: Required value: must set either a target value or averageValue",
            ],
            id="an object that is not named",
        ),
        pytest.param(
            {"type": "External", "external": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "1", "averageValue": "1"}}},
            ["external.target.value: Forbidden: may not set both a target value for metric and a per-pod target"],
            id="an external metric with both",
        ),
        pytest.param(
            {"type": "Pods", "resource": USAGE},
            ["pods: Required value: must populate information for the given metric source"],
            id="another source than the type says",
        ),
        pytest.param(
            {
                "type": "Resource",
                "resource": USAGE,
                "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}},
            },
            ["pods: Forbidden: must populate the given metric source only"],
            id="two sources",
        ),
    ],
)
def test_what_is_wrong_with_a_metric(metric: dict[str, Any], expected: list[str]) -> None:
    assert wrong_with(autoscaler(metric)) == [f"spec.metrics[0].{message}" for message in expected]


@pytest.mark.parametrize(
    ("seen", "shown"),
    [pytest.param({"averageUtilization": 0}, "cpu: 0%/50%", id="idle"), pytest.param({}, "cpu: <unknown>/50%", id="unknown")],
)
def test_the_targets_of_an_autoscaler(seen: dict[str, int], shown: str) -> None:
    """An idle workload uses 0 % of its requests: that is known, and told."""
    document = autoscaler({"type": "Resource", "resource": USAGE})
    one = created({**document, "status": {"currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": seen}}]}})
    assert cells(one)["Targets"] == shown


@pytest.mark.parametrize(
    ("kind", "api", "field"),
    [
        ("HorizontalPodAutoscaler", "autoscaling/v2", "currentReplicas"),
        ("HorizontalPodAutoscaler", "autoscaling/v2", "desiredReplicas"),
        ("PodDisruptionBudget", "policy/v1", "disruptionsAllowed"),
        ("PodDisruptionBudget", "policy/v1", "currentHealthy"),
        ("PodDisruptionBudget", "policy/v1", "desiredHealthy"),
        ("PodDisruptionBudget", "policy/v1", "expectedPods"),
    ],
)
def test_counts_of_a_status_are_not_negative(kind: str, api: str, field: str) -> None:
    old = created({"apiVersion": api, "kind": kind, "metadata": {"name": "t", "namespace": "n"}, "spec": {}})
    new = clone(old)
    setattr(new.status, field, -1)
    assert wrong_with_status(old, new) == [f"status.{field}: Invalid value: -1: must be greater than or equal to 0"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"policyTypes": ["Both"]},
            ['spec.policyTypes[0]: Unsupported value: "Both": supported values: "Ingress", "Egress"'],
            id="a type that is none",
        ),
        pytest.param(
            {"ingress": [{"ports": [{"protocol": "ICMP"}]}]},
            ['spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"'],
            id="a protocol that is none",
        ),
        pytest.param(
            {"ingress": [{"ports": [{"port": 80, "endPort": 79}, {"endPort": 80}, {"port": "web", "endPort": 80}]}]},
            [
                "spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`",
                "spec.ingress[0].ports[1].endPort: Invalid value: 80: may not be specified when `port` is not specified",
                "spec.ingress[0].ports[2].endPort: Invalid value: 80: may not be specified when `port` is non-numeric",
            ],
            id="ends of ports",
        ),
        pytest.param(
            {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/24", "except": ["10.0.0.0/24", "10.0.0.0/25"]}}]}]},
            ['spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "10.0.0.0/24": must be a strict subset of `cidr`'],
            id="everything is taken out",
        ),
    ],
)
def test_what_is_wrong_with_a_network_policy(spec: dict[str, Any], expected: list[str]) -> None:
    document = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "t", "namespace": "n"}, "spec": spec}
    assert wrong_with(document) == expected
