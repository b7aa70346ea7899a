"""What is observed of a pod -> its status: tables."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
    PodCondition,
    PodReadinessGate,
    PodSpec,
    PodStatus,
)
from pilothouse.kubelet.pods.observed import Ending, Failure, PodSandbox, PodState, Probed, Run
from pilothouse.kubelet.pods.phase import phase
from pilothouse.kubelet.pods.publisher import difference
from pilothouse.kubelet.pods.status import NodeFacts, pod_status
from pilothouse.kubelet.runtime import containers
from pilothouse.machinery.codec import to_dict
from pilothouse.machinery.meta_v1 import ObjectMeta

NOW = 1_735_689_600.0
NODE = NodeFacts(("10.0.0.5",))


def running(started: bool = True) -> ContainerStatus:
    return ContainerStatus(state=ContainerState(running=ContainerStateRunning()), started=started)


def ended(code: int = 0) -> ContainerStatus:
    return ContainerStatus(state=ContainerState(terminated=ContainerStateTerminated(exitCode=code)))


def waiting(last: int | None = None) -> ContainerStatus:
    over = None if last is None else ContainerStateTerminated(exitCode=last)
    return ContainerStatus(state=ContainerState(waiting=ContainerStateWaiting()), lastState=ContainerState(terminated=over))


def pod(policy: str = "Always", init: tuple[str, ...] = (), side: tuple[str, ...] = (), **fields: Any) -> Pod:
    inits = [Container(name=name) for name in init] + [Container(name=name, restartPolicy="Always") for name in side]
    spec = PodSpec(containers=[Container(name="app", image="i")], initContainers=inits, restartPolicy=policy, **fields)
    return Pod(metadata=ObjectMeta(name="web", namespace="default", uid="u", generation=3), spec=spec)


@pytest.mark.parametrize(
    ("wanted", "known", "is_over", "expected"),
    [
        pytest.param(pod(), {}, False, "Pending", id="nothing known"),
        pytest.param(pod(), {"app": waiting()}, False, "Pending", id="waits"),
        pytest.param(pod(), {"app": running()}, False, "Running", id="runs"),
        pytest.param(pod(), {"app": waiting(1)}, False, "Running", id="crash loop"),
        pytest.param(pod("OnFailure"), {"app": waiting(1)}, False, "Running", id="to be tried again"),
        pytest.param(pod("Never"), {"app": ended(0)}, False, "Succeeded", id="succeeded"),
        pytest.param(pod("Never"), {"app": ended(1)}, False, "Failed", id="failed"),
        pytest.param(pod(), {"app": ended(0)}, False, "Running", id="will be restarted"),
        pytest.param(pod(), {"app": ended(0)}, True, "Succeeded", id="deleted after success"),
        pytest.param(pod(), {"app": ended(137)}, True, "Failed", id="deleted and killed"),
        pytest.param(pod(init=("i",)), {"i": running(), "app": waiting()}, False, "Pending", id="initializes"),
        pytest.param(pod(init=("i",)), {"i": ended(0), "app": running()}, False, "Running", id="initialized"),
        pytest.param(pod("Never", init=("i",)), {"i": ended(1), "app": waiting()}, False, "Failed", id="cannot be initialized"),
        pytest.param(pod(init=("i",)), {"i": waiting(1), "app": waiting()}, False, "Pending", id="is initialized again"),
        pytest.param(pod(side=("s",)), {"s": running(False), "app": waiting()}, False, "Pending", id="sidecar starts"),
        pytest.param(pod(side=("s",)), {"s": waiting(1), "app": running()}, False, "Running", id="sidecar restarts"),
        pytest.param(pod("Never", side=("s",)), {"s": ended(0), "app": ended(0)}, True, "Succeeded", id="sidecar does not count"),
    ],
)
def test_the_phase(wanted: Pod, known: dict[str, ContainerStatus], is_over: bool, expected: str) -> None:
    assert phase(wanted, known, is_over) == expected


def state(*runs: Run, **fields: Any) -> PodState:
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    return PodState(sandboxes=[PodSandbox("b", 0, True, NOW, ("10.1.1.1",))], runs=by_name, first_seen=NOW, **fields)


def run(number: containers.ContainerState = containers.ContainerState.RUNNING, attempt: int = 0, code: int = 0) -> Run:
    return Run(f"id-{attempt}", "app", attempt, "b", number, NOW, NOW, NOW + 1, code, "Error" if code else "", image="docker.io/i")


EXITED = containers.ContainerState.EXITED


@pytest.mark.parametrize(
    ("observed", "reason", "last", "is_ready", "restarts"),
    [
        pytest.param(state(), "ContainerCreating", None, False, 0, id="not yet made"),
        pytest.param(state(failures={"app": Failure("ErrImagePull", "no")}), "ErrImagePull", None, False, 0, id="cannot be pulled"),
        pytest.param(state(run()), "", None, True, 0, id="runs"),
        pytest.param(state(run(), probes={"id-0": Probed(ready=False)}), "", None, False, 0, id="runs, not ready"),
        pytest.param(state(run(), probes={"id-0": Probed(started=False)}), "", None, False, 0, id="runs, not started"),
        pytest.param(state(run(attempt=1), run(EXITED, 0, 2)), "", 2, True, 1, id="runs again"),
        pytest.param(
            state(run(EXITED, 1, 3), run(EXITED, 0, 2), failures={"app": Failure("CrashLoopBackOff", "back-off")}),
            "CrashLoopBackOff",
            3,
            False,
            1,
            id="waits after a crash",
        ),
    ],
)
def test_a_containers_status(observed: PodState, reason: str, last: int | None, is_ready: bool, restarts: int) -> None:
    (status,) = pod_status(pod(), observed, NODE, NOW).containerStatuses
    assert (status.state.waiting.reason if status.state.waiting else "") == reason
    assert (status.lastState.terminated.exitCode if status.lastState.terminated else None) == last
    assert (status.ready, status.restartCount) == (is_ready, restarts)


def test_a_run_that_vanished_is_not_forgotten() -> None:
    wanted = pod()
    wanted.status = PodStatus(containerStatuses=[ContainerStatus(name="app", state=ContainerState(running=ContainerStateRunning()))])
    (status,) = pod_status(wanted, state(), NODE, NOW).containerStatuses
    assert status.lastState.terminated is not None
    assert (status.lastState.terminated.reason, status.lastState.terminated.exitCode) == ("ContainerStatusUnknown", 137)
    assert status.restartCount == 1


@pytest.mark.parametrize(
    ("foreign", "status", "message"),
    [
        pytest.param([], "False", 'corresponding condition of pod readiness gate "x/y" does not exist.', id="not there"),
        pytest.param(
            [PodCondition(type="x/y", status="False")],
            "False",
            'the status of pod readiness gate "x/y" is not "True", but False',
            id="false",
        ),
        pytest.param([PodCondition(type="x/y", status="True")], "True", "", id="true"),
    ],
)
def test_readiness_gates(foreign: list[PodCondition], status: str, message: str) -> None:
    wanted = pod(readinessGates=[PodReadinessGate(conditionType="x/y")])
    wanted.status.conditions = foreign
    found = {one.type: one for one in pod_status(wanted, state(run()), NODE, NOW).conditions}
    assert (found["Ready"].status, found["Ready"].message) == (status, message)
    assert found["ContainersReady"].status == "True"
    assert found["Ready"].observedGeneration == 3


def test_a_condition_keeps_its_time_as_long_as_its_status_stays() -> None:
    wanted = pod()
    wanted.status = pod_status(wanted, state(), NODE, NOW)
    later = pod_status(wanted, state(), NODE, NOW + 60)
    assert later.conditions == wanted.status.conditions
    ready = pod_status(wanted, state(run()), NODE, NOW + 60)
    times = {one.type: one.lastTransitionTime for one in ready.conditions}
    assert times["Ready"] != times["PodReadyToStartContainers"]


@pytest.mark.parametrize("before", ["Succeeded", "Failed"])
def test_a_terminal_phase_is_never_left(before: str) -> None:
    wanted = pod()
    wanted.status.phase = before
    assert pod_status(wanted, state(run()), NODE, NOW).phase == before


def test_a_pod_that_is_turned_away_says_why_and_no_more() -> None:
    ending = Ending(1, phase="Failed", reason="OutOfcpu", message="no", untouched=True)
    found = pod_status(pod(), PodState(ending=ending), NODE, NOW)
    assert (found.phase, found.reason, found.message, found.containerStatuses) == ("Failed", "OutOfcpu", "no", [])


def test_only_what_changed_is_sent() -> None:
    wanted = pod()
    first = pod_status(wanted, state(), NODE, NOW)
    second = pod_status(wanted, state(run()), NODE, NOW)
    patch = difference(to_dict(first), to_dict(second))
    assert set(patch) == {"phase", "conditions", "containerStatuses"}
    ready = next(one for one in patch["conditions"] if one["type"] == "Ready")
    assert ready["reason"] is None, "what a condition no longer has must be nulled, or merging keeps it"
    assert difference(to_dict(second), to_dict(second)) == {}


def test_new_addresses_replace_the_old_ones() -> None:
    old, new = {"podIPs": [{"ip": "a"}]}, {"podIPs": [{"ip": "b"}]}
    assert difference(old, new) == {"podIPs": [{"$patch": "replace"}, {"ip": "b"}]}
