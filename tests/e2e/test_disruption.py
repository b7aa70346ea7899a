"""Pods that have to go for others' sake: room that a more important one takes, evictions that a Job does not count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.tools import Kubectl, until

IMAGE = "pilothouse.local/busybox:1"


@pytest.fixture
def important(kubectl: Kubectl) -> Iterator[str]:
    """The name of a priority class."""
    name = f"important-{kubectl.namespace}"
    kubectl("create", "priorityclass", name, "--value=1000")
    yield name
    kubectl("delete", "priorityclass", name)


def needy(name: str, millis: int, priority: str = "") -> dict[str, Any]:
    """A Pod that wants so much CPU, and fails when it is asked to go."""
    container = {"name": "c", "image": IMAGE, "command": ["sh", "-c", "trap 'exit 1' TERM; while true; do sleep 0.1; done"]}
    container["resources"] = {"requests": {"cpu": f"{millis}m"}}  # type: ignore[assignment]
    spec = {"priorityClassName": priority, "restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def test_a_more_important_pod_takes_the_room_of_another_at_once(kubectl: Kubectl, important: str) -> None:
    most = int(float(kubectl.get("nodes")["items"][0]["status"]["allocatable"]["cpu"]) * 1000)
    kubectl.apply(needy("low", most * 3 // 5))
    kubectl("wait", "--for=condition=Ready", "pod/low", "--timeout=180s")
    kubectl.apply(needy("high", most * 3 // 5, important))
    kubectl("wait", "--for=condition=Ready", "pod/high", "--timeout=180s")
    assert "Preempted by pod" in until("it is told", lambda: kubectl("get", "events", "--field-selector=reason=Preempted"))


def is_at_work(kubectl: Kubectl) -> bool:
    return bool(kubectl.get("job", "work")["status"].get("ready"))


def test_a_job_does_not_count_evictions_that_its_policy_ignores(kubectl: Kubectl) -> None:
    template = {"spec": needy("work", 1)["spec"]}
    ignore = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
    spec = {"backoffLimit": 0, "podFailurePolicy": ignore, "template": template}
    kubectl.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work"}, "spec": spec})
    until("its Pod runs", lambda: is_at_work(kubectl))
    [pod] = kubectl.get("pods", "-l", "job-name=work")["items"]
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": kubectl.namespace}}
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods/{name}/eviction"
    kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    kubectl("wait", "--for=delete", f"pod/{name}", "--timeout=180s")
    until("another Pod runs", lambda: is_at_work(kubectl))
    assert kubectl.get("job", "work")["status"].get("failed", 0) == 0
