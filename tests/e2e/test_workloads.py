"""A Deployment and its Service, as a user meets them: reached, scaled, updated under load, broken and mended."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tools import Kubectl, until

IMAGE = "pilothouse.local/busybox:1"


def web(replicas: int = 3, version: str = "one", image: str = IMAGE) -> dict[str, Any]:
    """A Deployment whose pods answer with their version and name, and leave in good order."""
    serve = 'mkdir -p /www && echo "$VERSION $(hostname)" > /www/index.html && exec httpd -f -p 8080 -h /www'
    container = {
        "name": "web",
        "image": image,
        "command": ["sh", "-c", serve],
        "env": [{"name": "VERSION", "value": version}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "2"]}}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "progressDeadlineSeconds": 600,
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"terminationGracePeriodSeconds": 5, "containers": [container]},
            },
        },
    }


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
}


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode().strip()
        return text


def names_behind(url: str, requests: int = 60) -> Counter[str]:
    """Who answers, and how often."""
    return Counter(fetch(url).split()[1] for _ in range(requests))


@pytest.fixture
def served(kubectl: Kubectl) -> Kubectl:
    """`web` and its Service, with three pods available."""
    kubectl.apply(web())
    kubectl.apply(SERVICE)
    kubectl("rollout", "status", "deployment/web", "--timeout=180s")
    return kubectl


def urls(kubectl: Kubectl) -> tuple[str, str]:
    """The addresses of the Service, by its ClusterIP and by the node's port."""
    spec = kubectl.get("service", "web")["spec"]
    node = kubectl.get("nodes")["items"][0]
    address = next(one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP")
    return f"http://{spec['clusterIP']}/", f"http://{address}:{spec['ports'][0]['nodePort']}/"


def pod_names(kubectl: Kubectl) -> set[str]:
    pods = kubectl.get("pods", "-l", "app=web")["items"]
    return {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}


def serving(url: str) -> bool:
    """Whether the rules of the Service are in place yet: endpoints reach the proxy a moment after the pods are ready."""
    try:
        return bool(fetch(url))
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


@pytest.mark.parametrize("which", [pytest.param(0, id="ClusterIP"), pytest.param(1, id="NodePort")])
def test_requests_from_the_host_reach_all_pods(served: Kubectl, which: int) -> None:
    url = urls(served)[which]
    until("every pod answers", lambda: serving(url) and set(names_behind(url)) == pod_names(served))


def test_a_pod_reaches_the_service_by_name(served: Kubectl) -> None:
    until("the service answers", lambda: serving(urls(served)[0]))
    for name in ("web", f"web.{served.namespace}.svc", f"web.{served.namespace}.svc.cluster.local"):
        answer = served("exec", "deployment/web", "--", "wget", "-q", "-O", "-", f"http://{name}/")
        assert answer.split()[0] == "one"


def test_a_pod_reaches_itself_through_the_service(served: Kubectl) -> None:
    served("scale", "deployment/web", "--replicas=1")
    until("one pod is left", lambda: len(pod_names(served)) == 1)
    until(
        "it answers itself",
        lambda: served.run("exec", "deployment/web", "--", "wget", "-q", "-O", "-", "http://web/").returncode == 0,
    )


@pytest.mark.parametrize("replicas", [5, 1])
def test_it_is_scaled(served: Kubectl, replicas: int) -> None:
    served("scale", "deployment/web", f"--replicas={replicas}")
    served("rollout", "status", "deployment/web", "--timeout=180s")
    until("all pods serve", lambda: set(names_behind(urls(served)[0])) == pod_names(served))
    assert len(pod_names(served)) == replicas
    assert served("get", "deployment", "web", "--no-headers").split()[1] == f"{replicas}/{replicas}"


@contextmanager
def load(url: str) -> Iterator[list[str]]:
    """Requests without pause, each on a connection of its own; yields the list of what failed."""
    stop, failures, answered = threading.Event(), list[str](), Counter[str]()

    def ask() -> None:
        while not stop.is_set():
            try:
                answered[fetch(url).split()[0]] += 1
            except OSError as error:
                failures.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert sum(answered.values()) > 50, answered


def test_a_rolling_update_under_load_loses_no_request(served: Kubectl) -> None:
    url = urls(served)[0]
    until("the service answers", lambda: serving(url))
    with load(url) as failures:
        served.apply(web(version="two"))
        served("rollout", "status", "deployment/web", "--timeout=180s")
        until("only the new version answers", lambda: all(fetch(url).startswith("two") for _ in range(20)))
    assert failures == []


def test_a_bad_image_leaves_the_old_pods_serving_and_undo_mends_it(served: Kubectl) -> None:
    before = pod_names(served)
    served("set", "image", "deployment/web", "web=pilothouse.local/none:1")
    reported = served.fails("rollout", "status", "deployment/web", "--timeout=3s")
    assert "timed out waiting for the condition" in reported
    reasons = until(
        "the new pod says why",
        lambda: [line for line in served("get", "pods").splitlines() if "ErrImagePull" in line or "ImagePullBackOff" in line],
    )
    assert len(reasons) == 1
    assert set(names_behind(urls(served)[0])) <= before
    served("rollout", "undo", "deployment/web")
    served("rollout", "status", "deployment/web", "--timeout=180s")
    assert pod_names(served) == before
    history = served("rollout", "history", "deployment/web")
    assert history.split()[-4:] == ["2", "<none>", "3", "<none>"]


def test_deleting_the_deployment_takes_everything_with_it(served: Kubectl) -> None:
    served("delete", "deployment", "web", "--cascade=foreground", "--timeout=180s")
    assert "No resources found" in served.run("get", "replicasets,pods").stderr


def volume(name: str, path: Path) -> dict[str, Any]:
    """A directory of the node as a volume, as introductions to Kubernetes have it."""
    spec = {"storageClassName": name, "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": str(path)}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


def keeper(storage_class: str) -> dict[str, Any]:
    """A StatefulSet that notes in its volume that it was there."""
    container = {
        "name": "keep",
        "image": IMAGE,
        "command": ["sh", "-c", "hostname >> /data/seen && exec sleep 3600"],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage_class, "resources": {"requests": {"storage": "500Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "keep"},
        "spec": {
            "serviceName": "keep",
            "selector": {"matchLabels": {"app": "keep"}},
            "template": {
                "metadata": {"labels": {"app": "keep"}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
            },
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    }


def test_a_stateful_pod_finds_its_volume_again(kubectl: Kubectl, tmp_path: Path) -> None:
    name = f"disk-{kubectl.namespace}"
    kubectl.apply(keeper(name))
    until("the claim waits", lambda: kubectl.run("get", "pvc", "data-keep-0").returncode == 0)
    assert kubectl.get("pvc", "data-keep-0")["status"]["phase"] == "Pending"
    kubectl.apply(volume(name, tmp_path / "data"))
    try:
        kubectl("rollout", "status", "statefulset/keep", "--timeout=180s")
        claim = kubectl.get("pvc", "data-keep-0")
        assert (claim["status"]["phase"], claim["spec"]["volumeName"], claim["status"]["capacity"]) == ("Bound", name, {"storage": "1Gi"})
        first = kubectl.get("pod", "keep-0")["metadata"]["uid"]
        kubectl("delete", "pod", "keep-0", "--timeout=180s")
        until("its successor runs", lambda: kubectl.get("statefulset", "keep")["status"].get("readyReplicas") == 1)
        assert kubectl.get("pod", "keep-0")["metadata"]["uid"] != first
        assert (tmp_path / "data" / "seen").read_text().split() == ["keep-0", "keep-0"]
        kubectl("delete", "statefulset", "keep", "--cascade=foreground", "--timeout=180s")
        kubectl("delete", "pvc", "data-keep-0", "--timeout=180s")
        until("the volume is left", lambda: kubectl.get("pv", name)["status"]["phase"] == "Released")
    finally:
        kubectl("delete", "pv", name, "--ignore-not-found", "--timeout=180s")
