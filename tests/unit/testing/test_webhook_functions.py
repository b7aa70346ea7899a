"""Python functions as admission webhooks of a cluster in one process."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pilothouse.api.types.admissionregistration_v1 import MutatingWebhookConfiguration, ValidatingWebhookConfiguration
from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.core_v1 import ConfigMap, Namespace, Pod
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing import AdmissionRequest, Cluster, Refused
from pilothouse.testing.webhooks import patch_between

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""


def config_map(name: str = "a", **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)


def refuse_secrets(request: AdmissionRequest) -> str | None:
    return "no passwords here" if "password" in request.object.get("data", {}) else None


async def refuse_later(request: AdmissionRequest) -> str | None:
    return refuse_secrets(request)


def label(request: AdmissionRequest) -> None:
    request.object["metadata"].setdefault("labels", {})["example.com/seen"] = request.username
    request.object["data"].pop("junk", None)


@pytest.mark.parametrize("handler", [refuse_secrets, refuse_later])
@pytest.mark.parametrize("clock", ["still", "running", "real"])
def test_a_function_refuses(handler: Any, clock: str) -> None:
    with Cluster(nodes=0, clock=clock) as cluster:
        with cluster.webhook(handler, "configmaps") as webhook:
            cluster.create(config_map("good"))
            with pytest.raises(StatusError) as refused:
                cluster.create(config_map(password="secret"))
            assert refused.value.status.code == 403
            name = "refuse-secrets" if handler is refuse_secrets else "refuse-later"
            assert refused.value.status.message == f'admission webhook "{name}.webhook.test" denied the request: no passwords here'
            assert [(request.operation, request.name) for request in webhook.requests][-2:] == [("CREATE", "good"), ("CREATE", "a")]
        cluster.create(config_map(password="secret"))
        assert cluster.list(ValidatingWebhookConfiguration) == []


def test_a_function_changes_what_is_written(cluster: Cluster) -> None:
    cluster.webhook(label, "configmaps", mutating=True)
    made = cluster.create(config_map(junk="1", kept="2"))
    assert made.data == {"kept": "2"}
    assert made.metadata.labels == {"example.com/seen": "kubernetes-admin"}


def test_a_refusal_has_a_code_and_a_reason(cluster: Cluster) -> None:
    def choose(request: AdmissionRequest) -> None:
        raise Refused("come back later", 429, "TooManyRequests")

    with cluster.webhook(choose, "configmaps", name="busy"), pytest.raises(StatusError) as refused:
        cluster.create(config_map())
    assert (refused.value.status.code, refused.value.reason) == (429, "TooManyRequests")
    assert refused.value.status.message == 'admission webhook "busy.webhook.test" denied the request: come back later'


def test_what_a_handler_raises_fails_the_request_and_the_test(cluster: Cluster) -> None:
    def broken(request: AdmissionRequest) -> None:
        assert request.name == "b", "another name"

    webhook = cluster.webhook(broken, "configmaps")
    with pytest.raises(StatusError, match="AssertionError: another name"):
        cluster.create(config_map())
    with pytest.raises(AssertionError, match="another name"):
        webhook.remove()
    cluster.create(config_map())


def test_failures_are_ignored_where_the_configuration_says_so(cluster: Cluster) -> None:
    def broken(request: AdmissionRequest) -> None:
        raise KeyError("spec")

    with pytest.raises(KeyError), cluster.webhook(broken, "configmaps", failurePolicy="Ignore"):
        cluster.create(config_map())


def test_other_fields_of_the_webhook(cluster: Cluster) -> None:
    cluster.create(Namespace(metadata=ObjectMeta(name="watched", labels={"watched": "yes"})))
    with cluster.webhook(refuse_secrets, "configmaps", namespaceSelector={"matchLabels": {"watched": "yes"}}):
        cluster.create(config_map(password="secret"))
        elsewhere = config_map(password="secret")
        elsewhere.metadata.namespace = "watched"
        with pytest.raises(StatusError, match="no passwords here"):
            cluster.create(elsewhere)
    with pytest.raises(TypeError, match="a ValidatingWebhook has no failurepolicy"):
        cluster.webhook(refuse_secrets, "configmaps", failurepolicy="Ignore")
    with pytest.raises(StatusError, match="failurePolicy"):
        cluster.webhook(refuse_secrets, "configmaps", failurePolicy="Perhaps")
    assert cluster.list(ValidatingWebhookConfiguration) == []


def test_two_of_one_name_stand_side_by_side(cluster: Cluster) -> None:
    names = [cluster.webhook(label, "configmaps", mutating=True).name for _ in range(2)]
    assert names == ["label", "label-2"]
    assert [found.metadata.name for found in cluster.list(MutatingWebhookConfiguration)] == names


def test_a_handler_may_ask_the_cluster(cluster: Cluster) -> None:
    def known(request: AdmissionRequest) -> str | None:
        return None if cluster.get(ConfigMap, "allowed").data.get(request.name) else "not listed"

    cluster.create(config_map("allowed", b="yes"))
    with cluster.webhook(known, "configmaps"):
        cluster.create(config_map("b"))
        with pytest.raises(StatusError, match="not listed"):
            cluster.create(config_map("c"))


@pytest.mark.parametrize("clock", ["still", "running"])
def test_time_waits_for_webhooks(clock: str) -> None:
    """Controllers that write through a webhook have written when `advance` returns, however short the time it was given."""

    def slowly(request: AdmissionRequest) -> None:
        time.sleep(0.05)
        request.object["metadata"].setdefault("labels", {})["seen"] = "yes"

    with Cluster(nodes=1, clock=clock) as cluster, cluster.webhook(slowly, "pods", "replicasets.apps", mutating=True):
        cluster.apply(DEPLOYMENT)
        cluster.advance("5s")
        assert cluster.get(Deployment, "web").status.readyReplicas == 3
        assert [pod.metadata.labels["seen"] for pod in cluster.list(Pod)] == ["yes"] * 3


@pytest.mark.parametrize(
    ("before", "after", "operations"),
    [
        pytest.param({"a": 1}, {"a": 1}, [], id="nothing"),
        pytest.param({}, {"a/b": {"~": 1}}, [{"op": "add", "path": "/a~1b", "value": {"~": 1}}], id="added"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}, [{"op": "remove", "path": "/a/b"}], id="removed"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, [{"op": "replace", "path": "/a", "value": [1]}], id="lists are replaced"),
        pytest.param({"a": 1}, {"a": True}, [{"op": "replace", "path": "/a", "value": True}], id="1 is not true"),
        pytest.param({"a": {}}, {"a": None}, [{"op": "replace", "path": "/a", "value": None}], id="null"),
    ],
)
def test_patches(before: Any, after: Any, operations: list[Any]) -> None:
    assert [*patch_between(before, after)] == operations
