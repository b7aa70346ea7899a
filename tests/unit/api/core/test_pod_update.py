"""What may change of a Pod, and what its status may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.api.core.pod import graceful
from pilothouse.api.core.podresize import validate_resize
from pilothouse.api.core.podupdate import UPDATABLE, validate_ephemeral_update
from pilothouse.api.types.core_v1 import (
    ContainerState,
    ContainerStateTerminated,
    ContainerStatus,
    EphemeralContainer,
    HostIP,
    Pod,
    PodIP,
    PodSchedulingGate,
    Toleration,
)
from pilothouse.machinery.codec import clone
from pilothouse.machinery.problems import Problems
from tests.unit.api.objects import created, wrong_with_change, wrong_with_status


def pod(**spec: Any) -> Pod:
    spec.setdefault("containers", [{"name": "a", "image": "b", "resources": {"requests": {"cpu": 1}}}])
    found = created({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": spec})
    assert isinstance(found, Pod)
    return found


def changed(old: Pod, change: Callable[[Pod], None]) -> Pod:
    new = clone(old)
    change(new)
    return new


def image(one: Pod) -> None:
    one.spec.containers[0].image = "c"


def tolerate(one: Pod) -> None:
    one.spec.tolerations = [*one.spec.tolerations, Toleration(key="k", operator="Exists")]


def intolerant(one: Pod) -> None:
    one.spec.tolerations = []


def command(one: Pod) -> None:
    one.spec.containers[0].command = ["x"]


def deadline(seconds: int | None) -> Callable[[Pod], None]:
    def change(one: Pod) -> None:
        one.spec.activeDeadlineSeconds = seconds

    return change


def gates(*names: str) -> Callable[[Pod], None]:
    def change(one: Pod) -> None:
        one.spec.schedulingGates = [PodSchedulingGate(name=name) for name in names]

    return change


def select(**labels: str) -> Callable[[Pod], None]:
    def change(one: Pod) -> None:
        one.spec.nodeSelector = labels

    return change


def fewer(one: Pod) -> None:
    one.spec.containers = []


@pytest.mark.parametrize(
    ("old", "change", "expected"),
    [
        pytest.param(pod(), image, [], id="an image"),
        pytest.param(pod(), tolerate, [], id="one more toleration"),
        pytest.param(
            pod(tolerations=[{"key": "k", "operator": "Exists"}]),
            intolerant,
            ["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"],
            id="one toleration less",
        ),
        pytest.param(pod(), deadline(5), [], id="a deadline"),
        pytest.param(pod(activeDeadlineSeconds=5), deadline(4), [], id="a shorter deadline"),
        pytest.param(
            pod(activeDeadlineSeconds=5),
            deadline(6),
            ["spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"],
            id="a longer deadline",
        ),
        pytest.param(
            pod(activeDeadlineSeconds=5),
            deadline(None),
            ["spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"],
            id="no deadline any more",
        ),
        pytest.param(pod(schedulingGates=[{"name": "a.b/c"}]), gates(), [], id="a gate opened"),
        pytest.param(
            pod(schedulingGates=[{"name": "a.b/c"}]),
            gates("a.b/c", "a.b/d"),
            ["spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a.b/d'"],
            id="a gate added",
        ),
        pytest.param(pod(schedulingGates=[{"name": "a.b/c"}]), select(disk="ssd"), [], id="a gated pod narrowed"),
        pytest.param(
            pod(schedulingGates=[{"name": "a.b/c"}], nodeSelector={"disk": "ssd"}),
            select(),
            ["spec.nodeSelector: Invalid value: {}: only additions to spec.nodeSelector are allowed (no mutations or deletions)"],
            id="a gated pod widened",
        ),
        pytest.param(
            pod(),
            command,
            [
                f"spec: Forbidden: pod updates may not change fields other than {UPDATABLE}\n"
                '@@ -5,7 +5,9 @@\n   {\n    "Name": "a",\n    "Image": "b",\n-   "Command": null,\n+   "Command": [\n+    "x"\n+   ],\n'
                '    "Args": null,\n    "WorkingDir": "",\n    "Ports": null,\n'
            ],
            id="a command",
        ),
        pytest.param(
            pod(),
            fewer,
            ["spec.containers: Required value", "spec.containers: Forbidden: pod updates may not add or remove containers"],
            id="a container less",
        ),
    ],
)
def test_only_little_of_a_pod_changes(old: Pod, change: Callable[[Pod], None], expected: list[str]) -> None:
    assert wrong_with_change(old, changed(old, change)) == expected


def ended(code: int) -> ContainerStatus:
    return ContainerStatus(name="a", state=ContainerState(terminated=ContainerStateTerminated(exitCode=code)))


@pytest.mark.parametrize(
    ("policy", "code", "allowed"),
    [
        pytest.param("Always", 0, True, id="always restarted"),
        pytest.param("OnFailure", 1, True, id="failed, restarted on failure"),
        pytest.param("OnFailure", 0, False, id="succeeded, restarted on failure"),
        pytest.param("Never", 1, False, id="never restarted"),
    ],
)
def test_what_has_ended_for_good_does_not_come_back(policy: str, code: int, allowed: bool) -> None:
    old = pod(restartPolicy=policy)
    old.status.containerStatuses = [ended(code)]
    new = clone(old)
    new.status.containerStatuses = [ContainerStatus(name="a")]
    message = "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    assert wrong_with_status(old, new) == ([] if allowed else [message])


def test_a_status_without_a_class_of_service_keeps_the_old_one() -> None:
    old = pod()
    new = clone(old)
    new.status.qosClass = ""
    assert wrong_with_status(old, new) == []
    assert new.status.qosClass == "Burstable"


def test_addresses_of_a_status_must_be_some() -> None:
    old = pod()
    new = clone(old)
    new.status.podIPs = [PodIP(ip="10.0.0.1"), PodIP(ip="10.0.0.2")]
    new.status.hostIP, new.status.hostIPs = "10.0.0.3", [HostIP(ip="10.0.0.4")]
    assert wrong_with_status(old, new) == [
        'status.podIPs: Invalid value: [{"IP":"10.0.0.1"},{"IP":"10.0.0.2"}]: may specify no more than one IP for each IP family',
        'status.hostIPs[0].ip: Invalid value: "10.0.0.4": must be equal to `hostIP`',
    ]


def test_ephemeral_containers_are_added_and_stay() -> None:
    old = pod()
    old.spec.ephemeralContainers = [EphemeralContainer(name="x", image="b")]
    more = clone(old)
    more.spec.ephemeralContainers.append(EphemeralContainer(name="y", image="b"))
    less = clone(old)
    less.spec.ephemeralContainers = []
    found = Problems()
    validate_ephemeral_update(old, more, found)
    assert not found
    validate_ephemeral_update(old, less, found)
    assert [one.message for one in found.found] == ['Forbidden: existing ephemeral containers "x" may not be removed\n']


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        pytest.param({"cpu": "2"}, [], id="more cpu"),
        pytest.param({}, ["Pod QOS Class may not change", "resource requests cannot be removed"], id="nothing any more"),
        pytest.param({"cpu": "1", "ephemeral-storage": "1Gi"}, ["only cpu and memory resources are mutable"], id="another resource"),
    ],
)
def test_only_cpu_and_memory_are_resized(requests: dict[str, str], expected: list[str]) -> None:
    old = pod()
    new = clone(old)
    new.spec.containers[0].resources.requests = dict(requests)
    problems = Problems()
    validate_resize(old, new, problems)
    messages = " ".join(one.message for one in problems.found)
    assert all(part in messages for part in expected)
    assert bool(problems) == bool(expected)


@pytest.mark.parametrize(
    ("node", "phase", "asked", "seconds"),
    [
        pytest.param("", "Pending", None, 0, id="on no node"),
        pytest.param("n", "Running", None, 30, id="as the pod says"),
        pytest.param("n", "Running", 5, 5, id="as asked for"),
        pytest.param("n", "Running", 0, 0, id="at once"),
        pytest.param("n", "Succeeded", None, 0, id="ended already"),
        pytest.param("n", "Running", -3, 1, id="less than nothing is one second"),
    ],
)
def test_how_long_a_deleted_pod_stays(node: str, phase: str, asked: int | None, seconds: int) -> None:
    one = pod(nodeName=node)
    one.status.phase = phase
    assert graceful(one, asked) == seconds
