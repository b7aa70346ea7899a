"""kill -9 of the control plane in the middle of a thousand creates: nothing that was acknowledged is lost."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config, watch

from tests.e2e.test_workloads import IMAGE, SERVICE, load, pod_names, serving, urls, web
from tests.e2e.tools import Kubectl, kubectls, pilothouse, until

NAME = f"durable-{os.getpid()}"
CREATES = 1000
THREADS = 8
WATCH_SECONDS = 5


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Kubectl]:
    """A cluster of its own, since this test kills it."""
    path = tmp_path / "kubeconfig"
    environment = {"KUBECONFIG": str(path)}
    pilothouse("down", "--purge", "--name", NAME, environment=environment)
    up = pilothouse("up", "--no-egress", "--name", NAME, environment=environment)
    assert up.returncode == 0, up.stdout + up.stderr
    yield Kubectl(kubectls()["path"], path, "default")
    pilothouse("down", "--purge", "--name", NAME, environment=environment)


def process_ids() -> dict[str, int]:
    status = json.loads(pilothouse("status", "--name", NAME, "--output", "json").stdout)
    return {name: one["pid"] for name, one in status["processes"].items()}


def container_ids(kubectl: Kubectl) -> list[tuple[str, int]]:
    statuses = kubectl.get("pod", "bystander")["status"]["containerStatuses"]
    return [(one["containerID"], one["restartCount"]) for one in statuses]


def create_all(kubeconfig: Path, acknowledged: set[str], kill_after: int) -> None:
    """Create config maps from several threads; kill the control plane once `kill_after` are acknowledged, go on until it is felt."""
    api = client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))
    victim = process_ids()["control-plane"]

    def create(number: int) -> None:
        name = f"made-{number}"
        try:
            api.create_namespaced_config_map(
                "default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data={"n": str(number)})
            )
        except Exception:  # urllib3 has many ways to say that the server is gone
            return
        acknowledged.add(name)
        if len(acknowledged) == kill_after:
            os.kill(victim, signal.SIGKILL)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(create, range(CREATES)))


def revision(kubectl: Kubectl) -> str:
    """Where a watch of config maps that begins now would begin."""
    version: str = json.loads(kubectl("get", "--raw", "/api/v1/namespaces/default/configmaps?limit=1"))["metadata"]["resourceVersion"]
    return version


def told_since(kubeconfig: Path, resource_version: str) -> set[str]:
    """The names of the config maps that a watch from this revision tells of as added."""
    api = client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))
    events = watch.Watch().stream(
        api.list_namespaced_config_map, "default", resource_version=resource_version, timeout_seconds=WATCH_SECONDS
    )
    return {event["object"].metadata.name for event in events if event["type"] == "ADDED"}


def test_nothing_acknowledged_is_lost_and_pods_run_on(durable: Kubectl) -> None:
    durable("run", "bystander", f"--image={IMAGE}", "--command", "--", "sleep", "3600")
    durable("wait", "--for=condition=Ready", "pod/bystander", "--timeout=180s")
    before, since = container_ids(durable), revision(durable)
    acknowledged: set[str] = set()
    create_all(durable.kubeconfig, acknowledged, kill_after=CREATES // 2)
    assert CREATES // 2 <= len(acknowledged) < CREATES, len(acknowledged)
    again = pilothouse("up", "--no-egress", "--name", NAME, environment={"KUBECONFIG": str(durable.kubeconfig)})
    assert again.returncode == 0, again.stdout + again.stderr
    found = {one["metadata"]["name"] for one in durable.get("configmaps")["items"]}
    assert acknowledged <= found
    assert len(found - acknowledged - {"kube-root-ca.crt"}) <= THREADS, "at most what was under way in the threads"
    assert acknowledged <= told_since(durable.kubeconfig, since), "a watch from before the kill is told of everything"
    assert container_ids(durable) == before
    durable("run", "afterwards", f"--image={IMAGE}", "--command", "--", "sleep", "3600")
    durable("wait", "--for=condition=Ready", "pod/afterwards", "--timeout=180s")


def test_killing_the_node_agent_harms_no_container(durable: Kubectl) -> None:
    durable("run", "bystander", f"--image={IMAGE}", "--command", "--", "sleep", "3600")
    durable("wait", "--for=condition=Ready", "pod/bystander", "--timeout=180s")
    before = container_ids(durable)
    os.kill(process_ids()["node-agent"], signal.SIGKILL)
    pilothouse("up", "--no-egress", "--name", NAME, environment={"KUBECONFIG": str(durable.kubeconfig)})
    until("the kubelet answers again", lambda: durable.run("exec", "bystander", "--", "true").returncode == 0)
    assert container_ids(durable) == before
    durable("delete", "pod", "bystander", "--timeout=180s")


def in_the_middle(kubectl: Kubectl) -> bool:
    """Of a rollout: some pods have the new template and serve, others have not."""
    status = kubectl.get("deployment", "web")["status"]
    images = {one["spec"]["containers"][0]["env"][0]["value"] for one in kubectl.get("pods", "-l", "app=web")["items"]}
    return len(images) == 2 and 0 < status.get("updatedReplicas", 0) < status["replicas"]


def test_a_rollout_goes_on_after_the_control_plane_was_killed_and_loses_no_request(durable: Kubectl) -> None:
    durable.apply(web())
    durable.apply(SERVICE)
    durable("rollout", "status", "deployment/web", "--timeout=180s")
    url = urls(durable)[0]
    until("the service answers", lambda: serving(url))
    with load(url) as failures:
        durable.apply(web(version="two"))
        until("the rollout has begun", lambda: in_the_middle(durable))
        os.kill(process_ids()["control-plane"], signal.SIGKILL)
        again = pilothouse("up", "--no-egress", "--name", NAME, environment={"KUBECONFIG": str(durable.kubeconfig)})
        assert again.returncode == 0, again.stdout + again.stderr
        durable("rollout", "status", "deployment/web", "--timeout=180s")
        until("the old pods are gone", lambda: len(durable.get("pods", "-l", "app=web")["items"]) == 3)
    assert failures == []
    assert len(pod_names(durable)) == 3
    sizes = sorted(one["spec"]["replicas"] for one in durable.get("replicasets", "-l", "app=web")["items"])
    assert sizes == [0, 3], "one ReplicaSet a template"
    versions = {one["spec"]["containers"][0]["env"][0]["value"] for one in durable.get("pods", "-l", "app=web")["items"]}
    assert versions == {"two"}


def test_a_job_counts_each_pod_once_though_the_control_plane_was_killed(durable: Kubectl) -> None:
    container = {"name": "work", "image": IMAGE, "command": ["sleep", "1"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    spec = {"completions": 12, "parallelism": 4, "template": template}
    durable.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work"}, "spec": spec})
    until("some have succeeded", lambda: durable.get("job", "work")["status"].get("succeeded", 0) >= 3)
    os.kill(process_ids()["control-plane"], signal.SIGKILL)
    again = pilothouse("up", "--no-egress", "--name", NAME, environment={"KUBECONFIG": str(durable.kubeconfig)})
    assert again.returncode == 0, again.stdout + again.stderr
    durable("wait", "--for=condition=Complete", "job/work", "--timeout=180s")
    status = durable.get("job", "work")["status"]
    assert (status["succeeded"], status.get("failed", 0), status["uncountedTerminatedPods"]) == (12, 0, {})
    pods = durable.get("pods", "-l", "job-name=work")["items"]
    assert [one["status"]["phase"] for one in pods] == ["Succeeded"] * 12
    assert not [one for one in pods if one["metadata"].get("finalizers")]
