"""The wall time of a whole cluster is set, forward or back, and nobody notices: nodes stay Ready, Pods run on, work goes on."""

from __future__ import annotations

from typing import cast

import pytest

from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.batch_v1 import Job
from pilothouse.api.types.core_v1 import Event, Node, Pod
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from pilothouse.testing import Cluster

DAY = 86400.0
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "web:1"}]}
"""
FAILING = """
apiVersion: batch/v1
kind: Job
metadata: {name: failing}
spec:
  backoffLimit: 3
  template:
    spec: {restartPolicy: Never, containers: [{name: c, image: "fails:1"}]}
"""


@pytest.mark.parametrize("seconds", [-DAY, -30.0, 45.0, DAY], ids=["a day back", "30 s back", "45 s forward", "a day forward"])
def test_a_cluster_goes_on_when_its_clock_is_set(seconds: float) -> None:
    with Cluster(nodes=2, clock="still") as cluster:
        cluster.behave("fails:1", Behaviour(run_seconds=1, exit_code=1))
        cluster.apply(WEB)
        cluster.apply(FAILING)
        cluster.advance("15s")
        before = names(cluster)
        cast(VirtualClock, cluster.clock).jump(seconds)
        cluster.advance("9s")
        assert {condition.status for node in cluster.list(Node) for condition in node.status.conditions if condition.type == "Ready"} == {
            "True"
        }
        cluster.advance("10m")
        assert names(cluster) == before
        assert not [event.message for event in cluster.list(Event) if event.reason == "NodeNotReady"]
        assert [condition.type for condition in cluster.get(Job, "failing").status.conditions if condition.status == "True"][-1] == "Failed"
        cluster.apply(WEB.replace("replicas: 3", "replicas: 5"))
        cluster.advance("30s")
        assert cluster.get(Deployment, "web").status.availableReplicas == 5


def names(cluster: Cluster) -> set[str]:
    return {pod.metadata.name for pod in cluster.list(Pod) if pod.metadata.name.startswith("web")}
