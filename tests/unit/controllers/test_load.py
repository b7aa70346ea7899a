"""Many workloads at once: as many writes as there is to do, none again and again, and none when nothing happens."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.core_v1 import Pod
from pilothouse.apiserver.registry.transport import InProcessTransport
from pilothouse.client.call import Call
from pilothouse.testing.cluster import Cluster

DEPLOYMENTS, REPLICAS, NODES = 20, 10, 10
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-NUMBER}
spec:
  replicas: 10
  selector: {matchLabels: {app: web-NUMBER}}
  template:
    metadata: {labels: {app: web-NUMBER}}
    spec:
      containers: [{name: app, image: "web:VERSION"}]
---
"""
Counts = Counter[tuple[str, str]]


def manifests(version: int) -> str:
    return "".join(MANIFEST.replace("NUMBER", str(number)).replace("VERSION", str(version)) for number in range(DEPLOYMENTS))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """The writes of controllers so far, by verb and resource."""
    counts: Counts = Counter()
    original = InProcessTransport.call

    async def counted(self: InProcessTransport, call: Call) -> Any:
        if self._user.name.startswith("system:serviceaccount:kube-system:") and call.verb not in ("get", "list", "watch"):
            counts[call.verb, "/".join(filter(None, (call.resource.plural, call.subresource)))] += 1
        return await original(self, call)

    monkeypatch.setattr(InProcessTransport, "call", counted)
    return counts


def available(cluster: Cluster) -> bool:
    statuses = [one.status for one in cluster.list(Deployment)]
    return all((one.availableReplicas, one.updatedReplicas, one.replicas) == (REPLICAS,) * 3 for one in statuses)


def test_writes_grow_with_the_work_and_not_with_time(written: Counts) -> None:
    with Cluster(nodes=NODES, clock="still") as cluster:
        cluster.apply(manifests(1))
        cluster.advance("2m")
        assert available(cluster)
        assert written["create", "pods"] == DEPLOYMENTS * REPLICAS
        assert written["create", "replicasets"] == DEPLOYMENTS
        assert written["update", "deployments/status"] <= DEPLOYMENTS * 5
        assert written["update", "replicasets/status"] <= DEPLOYMENTS * 5
        written.clear()
        cluster.apply(manifests(2))
        cluster.advance("5m")
        assert available(cluster)
        assert written["create", "pods"] == written["delete", "pods"] == DEPLOYMENTS * REPLICAS
        assert written["update", "replicasets"] <= DEPLOYMENTS * REPLICAS, "one step of a rollout changes several Pods"
        assert written["update", "deployments/status"] <= DEPLOYMENTS * REPLICAS
        written.clear()
        cluster.advance("1h")
        assert {**written} == {}, "an hour in which nothing happens"
        assert len(cluster.list(Pod, "default")) == DEPLOYMENTS * REPLICAS
