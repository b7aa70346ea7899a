"""The cluster of testers, reached by real clients while its time stands still: no root, no containers."""

from __future__ import annotations

from kubernetes import client, config

from pilothouse.testing.cluster import Cluster
from tests.e2e.tools import Kubectl, kubectls


def test_kubectl_reaches_a_cluster_that_stands_still(cluster: Cluster) -> None:
    kubectl = Kubectl(kubectls()["path"], cluster.kubeconfig)
    kubectl("create", "deployment", "web", "--image=web:1", "--replicas=2")
    cluster.advance("1m")
    assert "2/2" in kubectl("get", "deployment", "web")
    kubectl("delete", "deployment", "web")
    cluster.advance("1m")
    assert kubectl("get", "pods") == ""


def test_the_python_client_reaches_it(cluster: Cluster) -> None:
    api = client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig)))
    assert [node.metadata.name for node in api.list_node().items] == ["node-0"]
