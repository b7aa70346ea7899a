"""Whole clusters in virtual time: deterministic, side by side, and quick enough to run a day."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.api.types.apps_v1 import Deployment, ReplicaSet
from pilothouse.api.types.core_v1 import Event, Node, Pod
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from pilothouse.testing.cluster import Cluster, is_ready

pytestmark = pytest.mark.cluster(clock="still")

ROOT = Path(__file__).resolve().parents[2]

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "IMAGE"}]
"""


def web(replicas: int = 3, image: str = "web:1") -> str:
    return WEB.replace("REPLICAS", str(replicas)).replace("IMAGE", image)


def pods_of(cluster: Cluster) -> list[Pod]:
    return [pod for pod in cluster.list(Pod, "default") if not pod.metadata.deletionTimestamp]


def history(seed: int) -> list[tuple[str, ...]]:
    """Everything that happened, as events tell it."""
    with Cluster(nodes=3, seed=seed, clock="still") as cluster:
        cluster.apply(web())
        cluster.advance("30s")
        cluster.apply(web(image="web:2"))
        cluster.advance("2m")
        cluster.stop_node("node-1")
        cluster.advance("10m")
        events = sorted(cluster.list(Event), key=lambda one: int(one.metadata.resourceVersion))
        return [(one.metadata.name, one.metadata.uid, one.lastTimestamp, one.reason, one.message) for one in events]


def test_the_same_seed_gives_the_same_events() -> None:
    first = history(7)
    assert len(first) > 20
    assert first == history(7)
    assert first != history(8)


def test_a_deployment_becomes_available_and_is_spread(cluster: Cluster) -> None:
    cluster.apply(web())
    cluster.advance("1m")
    assert cluster.get(Deployment, "web").status.readyReplicas == 3


@pytest.mark.cluster(nodes=3)
def test_a_rollout_replaces_every_pod(cluster: Cluster) -> None:
    cluster.apply(web())
    cluster.advance("1m")
    before = {pod.metadata.name for pod in pods_of(cluster)}
    cluster.apply(web(image="web:2"))
    cluster.advance("2m")
    after = pods_of(cluster)
    assert {pod.spec.containers[0].image for pod in after} == {"web:2"}
    assert not before & {pod.metadata.name for pod in after}
    assert {pod.spec.nodeName for pod in after} == {"node-0", "node-1", "node-2"}


@pytest.mark.cluster(nodes=2)
def test_a_rollout_that_cannot_progress_leaves_the_old_pods_serving(cluster: Cluster) -> None:
    cluster.apply(web())
    cluster.advance("30s")
    cluster.images_fail("bad:1")
    cluster.apply(web(image="bad:1"))
    cluster.advance("11m")
    deployment = cluster.get(Deployment, "web")
    assert deployment.status.readyReplicas == 3
    conditions = {one.type: (one.status, one.reason) for one in deployment.status.conditions}
    assert conditions["Progressing"] == ("False", "ProgressDeadlineExceeded")
    assert len(cluster.list(ReplicaSet, "default")) == 2


@pytest.mark.cluster(nodes=3)
def test_pods_of_a_silent_node_are_replaced_after_five_minutes(cluster: Cluster) -> None:
    cluster.apply(web(replicas=6))
    cluster.advance("30s")
    lost = {pod.metadata.name for pod in pods_of(cluster) if pod.spec.nodeName == "node-1"}
    assert lost
    cluster.stop_node("node-1")
    cluster.advance("2m")
    assert not is_ready(cluster.get(Node, "node-1", ""))
    assert lost <= {pod.metadata.name for pod in pods_of(cluster)}, "they are tolerated for five minutes"
    cluster.advance("6m")
    assert not lost & {pod.metadata.name for pod in pods_of(cluster)}
    assert cluster.get(Deployment, "web").status.readyReplicas == 6
    cluster.start_node("node-1")
    cluster.advance("1m")
    assert is_ready(cluster.get(Node, "node-1", ""))


def test_clusters_live_side_by_side() -> None:
    with Cluster(seed=1, clock="still") as one, Cluster(seed=2, clock="still") as two:
        one.apply(web(replicas=2))
        one.advance("1m")
        two.advance("1m")
        assert len(pods_of(one)) == 2
        assert pods_of(two) == []
        assert one.kubeconfig != two.kubeconfig
        assert Path(one.kubeconfig).exists()


def test_nothing_happens_while_time_stands_still(cluster: Cluster) -> None:
    cluster.apply(web())
    cluster.advance(0)
    before = [pod.metadata.resourceVersion for pod in pods_of(cluster)]
    cluster.advance(0)
    assert [pod.metadata.resourceVersion for pod in pods_of(cluster)] == before


PROBED = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  hostNetwork: HOST
  containers:
  - name: web
    image: web:1
    readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 5}
    livenessProbe: {tcpSocket: {port: 80}, periodSeconds: 5, failureThreshold: 2}
"""


@pytest.mark.parametrize("host", ["false", "true"], ids=["in a network of its own", "in the node's network"])
def test_probes_are_answered_as_a_container_behaves(cluster: Cluster, host: str) -> None:
    failing: set[str] = set()
    cluster.behave("web:1", Behaviour(probe=lambda kind: kind not in failing))

    def status() -> tuple[bool, int]:
        [one] = cluster.get(Pod, "web").status.containerStatuses
        return one.ready, one.restartCount

    cluster.apply(PROBED.replace("HOST", host))
    cluster.advance("20s")
    assert status() == (True, 0)
    failing.add("httpGet")
    cluster.advance("30s")
    assert status() == (False, 0)
    failing.add("tcpSocket")
    cluster.advance("20s")
    assert status()[1] == 1
    failing.clear()
    cluster.advance("1m")
    assert status()[0]


def test_a_container_ends_as_it_is_told(cluster: Cluster) -> None:
    cluster.apply("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: 'web:1'}]}")
    cluster.advance("10s")
    cluster.exit("web", "web", 137, oom=True)
    cluster.advance("2s")
    [one] = cluster.get(Pod, "web").status.containerStatuses
    assert (one.restartCount, one.lastState.terminated.exitCode, one.lastState.terminated.reason) == (1, 137, "OOMKilled")


def test_images_that_failed_work_again(cluster: Cluster) -> None:
    cluster.images_fail("web:1")
    cluster.apply(web(replicas=1))
    cluster.advance("1m")
    assert cluster.get(Deployment, "web").status.readyReplicas == 0
    cluster.images_work("web:1")
    cluster.advance("6m")
    assert cluster.get(Deployment, "web").status.readyReplicas == 1


def test_the_same_seed_gives_the_same_events_whatever_texts_hash_to() -> None:
    """Sets of texts are in another order in every process: nothing that happens may come from it."""
    code = "import json; from tests.simulation.test_cluster import history; print(json.dumps(history(7)))"
    told = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
