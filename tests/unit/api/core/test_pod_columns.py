"""READY, STATUS and RESTARTS as upstream's printer shows them."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.machinery.resource import Since
from tests.unit.api.objects import cells, parsed

RUNNING = {"running": {}}


def status(name: str = "a", state: dict[str, Any] | None = None, ready: bool = False, restarts: int = 0, **more: Any) -> dict[str, Any]:
    return {"name": name, "state": state or {}, "ready": ready, "restartCount": restarts, **more}


def shown(pod_status: dict[str, Any], **more: Any) -> tuple[Any, ...]:
    spec = {"containers": [{"name": "a"}], **more.pop("spec", {})}
    found = cells(parsed({"apiVersion": "v1", "kind": "Pod", "metadata": more, "spec": spec, "status": pod_status}))
    return found["Ready"], found["Status"], found["Restarts"]


INIT = {"spec": {"initContainers": [{"name": "i"}, {"name": "j"}]}}
SIDECAR = {"spec": {"initContainers": [{"name": "i", "restartPolicy": "Always"}]}}


@pytest.mark.parametrize(
    ("pod_status", "more", "expected"),
    [
        pytest.param({"phase": "Pending"}, {}, ("0/1", "Pending", "0"), id="pending"),
        pytest.param(
            {"phase": "Running", "containerStatuses": [status(state=RUNNING, ready=True)]}, {}, ("1/1", "Running", "0"), id="running"
        ),
        pytest.param(
            {"phase": "Running", "containerStatuses": [status(state={"waiting": {"reason": "CrashLoopBackOff"}}, restarts=3)]},
            {},
            ("0/1", "CrashLoopBackOff", "3"),
            id="crashing, the last end unknown",
        ),
        pytest.param(
            {
                "phase": "Running",
                "containerStatuses": [
                    status(
                        state=RUNNING,
                        ready=True,
                        restarts=2,
                        lastState={"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:00:00Z"}},
                    )
                ],
            },
            {},
            ("1/1", "Running", Since("2026-01-01T00:00:00Z", "2 ({} ago)")),
            id="restarted some time ago",
        ),
        pytest.param(
            {"phase": "Failed", "containerStatuses": [status(state={"terminated": {"exitCode": 2}})]},
            {},
            ("0/1", "ExitCode:2", "0"),
            id="ended without a reason",
        ),
        pytest.param(
            {"phase": "Failed", "containerStatuses": [status(state={"terminated": {"exitCode": 0, "signal": 9}})]},
            {},
            ("0/1", "Signal:9", "0"),
            id="ended by a signal",
        ),
        pytest.param(
            {"phase": "Succeeded", "containerStatuses": [status(state={"terminated": {"exitCode": 0, "reason": "Completed"}})]},
            {},
            ("0/1", "Completed", "0"),
            id="completed",
        ),
        pytest.param({"phase": "Failed", "reason": "Evicted"}, {}, ("0/1", "Evicted", "0"), id="evicted"),
        pytest.param(
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]},
            {},
            ("0/1", "SchedulingGated", "0"),
            id="gated",
        ),
        pytest.param(
            {"phase": "Pending", "initContainerStatuses": [status("i", {"running": {}})]}, INIT, ("0/1", "Init:0/2", "0"), id="first init"
        ),
        pytest.param(
            {
                "phase": "Pending",
                "initContainerStatuses": [
                    status("i", {"terminated": {"exitCode": 0}}),
                    status("j", {"waiting": {"reason": "ErrImagePull"}}),
                ],
            },
            INIT,
            ("0/1", "Init:ErrImagePull", "0"),
            id="second init without an image",
        ),
        pytest.param(
            {"phase": "Pending", "initContainerStatuses": [status("i", {"terminated": {"exitCode": 3}}, restarts=4)]},
            INIT,
            ("0/1", "Init:ExitCode:3", "4"),
            id="init failed",
        ),
        pytest.param(
            {
                "phase": "Running",
                "initContainerStatuses": [status("i", RUNNING, ready=True, restarts=1, started=True)],
                "containerStatuses": [status(state=RUNNING, ready=True)],
            },
            SIDECAR,
            ("2/2", "Running", "1"),
            id="a sidecar counts",
        ),
        pytest.param(
            {"phase": "Running", "containerStatuses": [status(state=RUNNING, ready=True)]},
            {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            ("1/1", "Terminating", "0"),
            id="on its way out",
        ),
        pytest.param(
            {"phase": "Running", "reason": "NodeLost"},
            {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            ("0/1", "Unknown", "0"),
            id="node lost",
        ),
    ],
)
def test_what_kubectl_shows_of_a_pod(pod_status: dict[str, Any], more: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert shown(pod_status, **more) == expected


def test_a_container_that_ended_beside_one_that_runs() -> None:
    spec = {"containers": [{"name": "a"}, {"name": "b"}]}
    statuses = [status(state={"terminated": {"exitCode": 0, "reason": "Completed"}}), status("b", RUNNING, ready=True)]
    assert shown({"phase": "Running", "containerStatuses": statuses}, spec=spec)[1] == "NotReady"
    conditions = [{"type": "Ready", "status": "True"}]
    assert shown({"phase": "Running", "containerStatuses": statuses, "conditions": conditions}, spec=spec)[1] == "Running"


def test_wide_columns() -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {},
        "spec": {"nodeName": "n", "readinessGates": [{"conditionType": "a.b/c"}, {"conditionType": "a.b/d"}]},
        "status": {"podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "a.b/c", "status": "True"}]},
    }
    found = cells(parsed(document))
    assert [found[name] for name in ("IP", "Node", "Nominated Node", "Readiness Gates")] == ["10.0.0.1", "n", None, "1/2"]
