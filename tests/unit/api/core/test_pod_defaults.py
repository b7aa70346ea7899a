"""What a Pod gets that its author left out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pilothouse.api.core.defaults.images import pull_policy
from pilothouse.api.core.defaults.quantities import canonical
from pilothouse.api.core.qos import qos_class
from pilothouse.api.types.core_v1 import Pod
from tests.unit.api.objects import created, defaulted


def pod(**spec: Any) -> dict[str, Any]:
    spec.setdefault("containers", [{"name": "a", "image": "b"}])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": spec}


def spec_of(document: dict[str, Any]) -> Any:
    return msgspec.to_builtins(defaulted(document))["spec"]


def test_the_smallest_pod_gets_all_that_upstream_gives_it() -> None:
    assert spec_of(pod()) == {
        "containers": [
            {
                "name": "a",
                "image": "b",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        pytest.param("nginx", "Always", id="no tag is latest"),
        pytest.param("nginx:latest", "Always", id="latest"),
        pytest.param("nginx:1.2", "IfNotPresent", id="a tag"),
        pytest.param("host:5000/nginx", "Always", id="the colon of a port is no tag"),
        pytest.param("host:5000/nginx:1", "IfNotPresent", id="a tag behind a port"),
        pytest.param("nginx@sha256:" + "0" * 64, "IfNotPresent", id="a digest"),
    ],
)
def test_the_pull_policy_follows_from_the_tag(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param(0.5, "500m", id="half"),
        pytest.param("1024Mi", "1Gi", id="binary"),
        pytest.param("0.0001", "1m", id="rounded up to a thousandth"),
        pytest.param("1e3", "1e3", id="exponent"),
        pytest.param(2, "2", id="a number"),
        pytest.param("nonsense", "nonsense", id="what is none stays for validation"),
    ],
)
def test_quantities_are_kept_in_canonical_form(given: Any, kept: str) -> None:
    assert canonical(given) == kept


def test_requests_follow_limits_in_a_pod_but_not_in_a_template() -> None:
    containers = [{"name": "a", "image": "b", "resources": {"limits": {"cpu": 1}, "requests": {"memory": "1Ki"}}}]
    assert spec_of(pod(containers=containers))["containers"][0]["resources"]["requests"] == {"memory": "1Ki", "cpu": "1"}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}}
    deployment = defaulted({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": {"template": template}})
    assert deployment.spec.template.spec.containers[0].resources.requests == {"memory": "1Ki"}


def test_a_port_is_the_hosts_on_the_hosts_network() -> None:
    containers = [{"name": "a", "image": "b", "ports": [{"containerPort": 80}]}]
    found = spec_of(pod(containers=containers, hostNetwork=True))
    assert found["containers"][0]["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("volume", "kept"),
    [
        pytest.param({}, {"emptyDir": {}}, id="nothing named is an empty directory"),
        pytest.param({"secret": {"secretName": "s"}}, {"secret": {"secretName": "s", "defaultMode": 0o644}}, id="secret"),
        pytest.param({"configMap": {"name": "s"}}, {"configMap": {"name": "s", "defaultMode": 0o644}}, id="configMap"),
        pytest.param(
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {"projected": {"defaultMode": 0o644, "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]}},
            id="projected token",
        ),
        pytest.param(
            {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {
                "downwardAPI": {
                    "defaultMode": 0o644,
                    "items": [{"path": "l", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}}],
                }
            },
            id="downward",
        ),
    ],
)
def test_volumes_get_their_modes_and_times(volume: dict[str, Any], kept: dict[str, Any]) -> None:
    assert spec_of(pod(volumes=[{"name": "v", **volume}]))["volumes"] == [{"name": "v", **kept}]


@pytest.mark.parametrize(
    ("probe", "kept"),
    [
        pytest.param({"httpGet": {"port": 80}}, {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}}, id="http"),
        pytest.param({"exec": {"command": ["a"]}}, {"exec": {"command": ["a"]}}, id="exec"),
        pytest.param({"grpc": {"port": 80}}, {"grpc": {"port": 80, "service": ""}}, id="gRPC: kubectl follows its service unasked"),
    ],
)
def test_probes_get_their_timings(probe: dict[str, Any], kept: dict[str, Any]) -> None:
    found = spec_of(pod(containers=[{"name": "a", "image": "b", "livenessProbe": probe}]))["containers"][0]["livenessProbe"]
    assert found == {**kept, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def test_both_names_of_the_service_account_are_kept_alike() -> None:
    found = defaulted(pod(serviceAccount="robot")).spec
    assert (found.serviceAccountName, found.serviceAccount) == ("robot", "robot")


def test_defaulting_twice_changes_nothing() -> None:
    once = defaulted(pod(volumes=[{"name": "v"}], hostNetwork=True))
    assert defaulted(msgspec.to_builtins(once)) == once


FULL = {"limits": {"cpu": "1", "memory": "1Gi"}}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param([{}], "BestEffort", id="nothing asked for"),
        pytest.param([{"limits": {"cpu": 0}}], "BestEffort", id="zero is nothing"),
        pytest.param([FULL], "Guaranteed", id="limits alone: requests follow"),
        pytest.param([FULL, {}], "Burstable", id="one container without"),
        pytest.param([{"limits": {"cpu": 1}}], "Burstable", id="cpu alone"),
        pytest.param([{"requests": {"cpu": 1}}], "Burstable", id="a request alone"),
        pytest.param([{**FULL, "requests": {"cpu": "500m", "memory": "1Gi"}}], "Burstable", id="less requested than allowed"),
        pytest.param([{"requests": {"a.b/gpu": 1}, "limits": {"a.b/gpu": 1}}], "BestEffort", id="other resources do not count"),
    ],
)
def test_the_quality_of_service_is_computed(containers: list[dict[str, Any]], expected: str) -> None:
    listed = [{"name": f"c{index}", "image": "b", "resources": one} for index, one in enumerate(containers)]
    one = created(pod(containers=listed))
    assert isinstance(one, Pod)
    assert (qos_class(one), one.status.qosClass, one.status.phase) == (expected, expected, "Pending")


def test_a_gated_pod_says_so() -> None:
    found = created(pod(schedulingGates=[{"name": "example.com/wait"}])).status.conditions
    assert [(one.type, one.status, one.reason) for one in found] == [("PodScheduled", "False", "SchedulingGated")]


def test_match_label_keys_become_requirements_of_the_pods_own_values() -> None:
    term = {"topologyKey": "zone", "labelSelector": {}, "matchLabelKeys": ["rev"], "mismatchLabelKeys": ["tenant", "absent"]}
    document = pod(affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
    document["metadata"]["labels"] = {"rev": "7", "tenant": "x"}
    found = created(document).spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector
    assert [(one.key, one.operator, one.values) for one in found.matchExpressions] == [("rev", "In", ["7"]), ("tenant", "NotIn", ["x"])]
