"""The planner as tables: pod + what is observed -> the next steps."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import (
    Container,
    ContainerResizePolicy,
    EphemeralContainer,
    Pod,
    PodSpec,
    Probe,
    ResourceRequirements,
    TCPSocketAction,
)
from pilothouse.kubelet.pods.ending import decide
from pilothouse.kubelet.pods.observed import BackOff, Ending, Failure, PodSandbox, PodState, Probed, Run
from pilothouse.kubelet.pods.planner import plan
from pilothouse.kubelet.pods.spec import spec_hash
from pilothouse.kubelet.pods.steps import BackingOff, KillAll, Release, Remove, RemoveSandbox, Resize, SetUp, Start, StopSandbox
from pilothouse.kubelet.runtime.containers import ContainerState
from pilothouse.machinery.meta_v1 import ObjectMeta

NOW = 1_000_000.0
CREATED, RUNNING, EXITED, UNKNOWN = ContainerState.CREATED, ContainerState.RUNNING, ContainerState.EXITED, ContainerState.UNKNOWN


def pod(*names: str, init: tuple[Container, ...] = (), deleted: bool = False, **spec: Any) -> Pod:
    containers = [Container(name=name, image="i") for name in names or ("app",)]
    meta = ObjectMeta(name="web", namespace="default", uid="u", deletionTimestamp="2025-01-01T00:00:00Z" if deleted else "")
    return Pod(metadata=meta, spec=PodSpec(containers=containers, initContainers=list(init), **spec))


def init(name: str, *, sidecar: bool = False, **fields: Any) -> Container:
    return Container(name=name, image="i", restartPolicy="Always" if sidecar else "", **fields)


def run(name: str, state: ContainerState = RUNNING, attempt: int = 0, code: int = 0, ago: float = 1.0, box: str = "box-0") -> Run:
    return Run(
        f"{name}-{attempt}",
        name,
        attempt,
        box,
        state,
        created_at=NOW - 100 + attempt,
        started_at=NOW - 100,
        finished_at=NOW - ago if state is EXITED else 0.0,
        exit_code=code,
        spec_hash=spec_hash(Container(name=name, image="i")),
    )


def box(attempt: int = 0, *, ready: bool = True, ips: tuple[str, ...] = ("10.0.0.2",), host: bool = False) -> PodSandbox:
    return PodSandbox(f"box-{attempt}", attempt, ready, NOW - 100 + attempt, ips, host)


def state(*runs: Run, boxes: tuple[PodSandbox, ...] = (box(),), **fields: Any) -> PodState:
    by_name: dict[str, list[Run]] = {}
    for one in sorted(runs, key=lambda one: -one.created_at):
        by_name.setdefault(one.name, []).append(one)
    return PodState(sandboxes=list(boxes), runs=by_name, **{"prepared": True, **fields})


def told(steps: list[Any]) -> list[str]:
    """Steps in short."""
    out = []
    for step in steps:
        match step:
            case SetUp():
                out.append(f"set up {step.attempt}" if step.sandbox else "set up without sandbox")
            case Start():
                out.append(f"start {step.container.name} {step.attempt}")
            case KillAll():
                out += [f"kill {kill.run_id}" + (f" after {','.join(kill.after)}" if kill.after else "") for kill in step.kills]
            case Resize():
                out.append(f"resize {step.run_id}")
            case Remove():
                out.append(f"remove {step.run_id}")
            case StopSandbox():
                out.append(f"stop {step.sandbox_id}")
            case RemoveSandbox():
                out.append(f"remove {step.sandbox_id}")
            case Release():
                out.append("release")
            case BackingOff():
                out.append(f"back off {step.name} {step.seconds:g}")
    return out


PROBED = Container(name="app", image="i", livenessProbe=Probe(tcpSocket=TCPSocketAction(port=1), terminationGracePeriodSeconds=5))
PROBED_POD = Pod(metadata=ObjectMeta(name="web", uid="u"), spec=PodSpec(containers=[PROBED]))
EPHEMERAL = EphemeralContainer(name="debug", image="i")
NEVER, ON_FAILURE = {"restartPolicy": "Never"}, {"restartPolicy": "OnFailure"}


@pytest.mark.parametrize(
    ("wanted", "observed", "expected"),
    [
        pytest.param(pod(), state(boxes=(), prepared=False), ["set up 0"], id="begins with the sandbox"),
        pytest.param(pod(), state(prepared=False), ["set up without sandbox"], id="prepares again after a restart of the kubelet"),
        pytest.param(pod("a", "b"), state(), ["start a 0", "start b 0"], id="starts containers in the order of the spec"),
        pytest.param(pod("a", "b"), state(run("a")), ["start b 0"], id="leaves alone what runs"),
        pytest.param(pod(), state(run("app")), [], id="has nothing to do when all runs"),
        pytest.param(pod(), state(run("app", EXITED)), ["start app 1"], id="restarts what ended"),
        pytest.param(pod(**NEVER), state(run("app", EXITED, code=1)), [], id="never restarts under Never"),
        pytest.param(pod(**ON_FAILURE), state(run("app", EXITED)), [], id="leaves what succeeded under OnFailure"),
        pytest.param(pod(**ON_FAILURE), state(run("app", EXITED, code=1)), ["start app 1"], id="restarts what failed under OnFailure"),
        pytest.param(
            pod(),
            state(run("app", EXITED, 3), back_offs={"app": BackOff(40, NOW - 30)}),
            ["back off app 40"],
            id="waits for the back-off of a crash",
        ),
        pytest.param(
            pod(),
            state(run("app", EXITED, 3, ago=41), back_offs={"app": BackOff(40, NOW - 70)}),
            ["start app 4"],
            id="starts when the back-off is over",
        ),
        pytest.param(
            pod(), state(failures={"app": Failure("ErrImagePull", "", NOW + 5)}), [], id="waits for the next try after a failure"
        ),
        pytest.param(pod(), state(run("app", CREATED)), ["remove app-0"], id="removes a container that was never started"),
        pytest.param(pod(), state(run("app", UNKNOWN)), ["kill app-0"], id="kills what is in no known state before starting anew"),
        pytest.param(PROBED_POD, state(run("app"), probes={"app-0": Probed(failed="Liveness")}), ["kill app-0"], id="kills the unhealthy"),
        pytest.param(
            pod(init=(init("one"), init("two"))), state(run("one")), [], id="waits for the init container that runs"
        ),
        pytest.param(
            pod(init=(init("one"), init("two"))), state(run("one", EXITED)), ["start two 0"], id="goes on to the next init container"
        ),
        pytest.param(
            pod(init=(init("one"),)), state(run("one", EXITED, code=1)), ["start one 1"], id="repeats an init container that failed"
        ),
        pytest.param(
            pod(init=(init("one"),)), state(run("one", EXITED)), ["start app 0"], id="starts containers when initialization is over"
        ),
        pytest.param(
            pod(init=(init("one"),)), state(run("app")), [], id="does not initialize again when the init container was swept away"
        ),
        pytest.param(pod(init=(init("side", sidecar=True),)), state(), ["start side 0"], id="starts a sidecar first"),
        pytest.param(
            pod(init=(init("side", sidecar=True),)),
            state(run("side"), probes={"side-0": Probed(started=False)}),
            [],
            id="waits until the sidecar has started",
        ),
        pytest.param(pod(init=(init("side", sidecar=True),)), state(run("side")), ["start app 0"], id="runs beside a started sidecar"),
        pytest.param(
            pod(init=(init("side", sidecar=True),), **NEVER),
            state(run("side", EXITED, code=1), run("app")),
            ["start side 1"],
            id="restarts a sidecar whatever the pod's policy",
        ),
        pytest.param(
            pod(ephemeralContainers=[EPHEMERAL]), state(run("app")), ["start debug 0"], id="starts an ephemeral container"
        ),
        pytest.param(
            pod(ephemeralContainers=[EPHEMERAL]), state(run("app"), run("debug", EXITED)), [], id="never restarts an ephemeral container"
        ),
        pytest.param(
            pod(), state(run("app"), boxes=(box(ready=False),)), ["kill app-0"], id="ends what lives in a sandbox that does not"
        ),
        pytest.param(
            pod(), state(run("app", EXITED), boxes=(box(ready=False),)), ["set up 1"],
            id="replaces a sandbox that died",
        ),
        pytest.param(
            pod(**NEVER), state(run("app", EXITED, code=1), boxes=(box(ready=False),)), [], id="makes no second sandbox under Never"
        ),
        pytest.param(
            pod(hostNetwork=True),
            state(run("app")),
            ["kill app-0", "stop box-0"],
            id="replaces a sandbox of the wrong network",
        ),
        pytest.param(
            pod(),
            state(run("app", attempt=3), run("app", EXITED, 2), run("app", EXITED, 1), run("app", EXITED, 0)),
            ["remove app-1", "remove app-0"],
            id="keeps one dead run",
        ),
        pytest.param(
            pod(),
            state(run("app", box="box-1"), boxes=(box(1), box(0, ready=False))),
            ["remove box-0"],
            id="removes a dead sandbox that holds nothing",
        ),
    ],
)  # fmt: skip
def test_a_living_pod(wanted: Pod, observed: PodState, expected: list[str]) -> None:
    assert told(plan(wanted, observed, NOW).steps) == expected


SIDE = (init("first", sidecar=True), init("second", sidecar=True))


@pytest.mark.parametrize(
    ("wanted", "observed", "expected"),
    [
        pytest.param(pod("a", "b"), state(run("a"), run("b")), ["kill a-0", "kill b-0"], id="kills side by side"),
        pytest.param(
            pod(init=SIDE),
            state(run("app"), run("first"), run("second")),
            ["kill app-0", "kill first-0 after app-0,second-0", "kill second-0 after app-0"],
            id="ends sidecars last, in reverse",
        ),
        pytest.param(pod(), state(run("app", EXITED)), ["stop box-0", "release"], id="stops the sandbox when nothing runs"),
        pytest.param(pod(), state(run("app", EXITED), boxes=(box(ready=False),)), ["release"], id="releases the rest"),
        pytest.param(pod(), state(boxes=(), released=True), [], id="is done when all is released"),
        pytest.param(pod(), state(boxes=()), ["release"], id="releases what was never started"),
        pytest.param(pod(), state(run("app", CREATED)), ["remove app-0", "stop box-0", "release"], id="removes what was never started"),
    ],
)
def test_an_ending_pod(wanted: Pod, observed: PodState, expected: list[str]) -> None:
    observed.ending = Ending(30)
    assert sorted(told(plan(wanted, observed, NOW).steps)) == sorted(expected)


@pytest.mark.parametrize(
    ("wanted", "observed", "expected"),
    [
        pytest.param(pod(), state(run("app")), None, id="lives on"),
        pytest.param(pod(deleted=True), state(run("app")), (30, True, ""), id="is deleted"),
        pytest.param(
            pod(activeDeadlineSeconds=10), state(run("app"), first_seen=NOW - 11), (30, False, "Failed"), id="is past its deadline"
        ),
        pytest.param(pod(activeDeadlineSeconds=10), state(run("app"), first_seen=NOW - 9), None, id="is before its deadline"),
        pytest.param(pod(**NEVER), state(run("app", EXITED)), (30, False, ""), id="is done"),
        pytest.param(pod("a", "b", **NEVER), state(run("a", EXITED), run("b")), None, id="is done in part"),
        pytest.param(pod(**ON_FAILURE), state(run("app", EXITED, code=1)), None, id="is to be tried again"),
        pytest.param(pod(init=(init("one"),), **NEVER), state(run("one", EXITED, code=1)), (30, False, ""), id="cannot be initialized"),
        pytest.param(pod(), state(run("app", EXITED)), None, id="always goes on"),
    ],
)
def test_when_a_pod_ends(wanted: Pod, observed: PodState, expected: tuple[int, bool, str] | None) -> None:
    found = decide(wanted, observed, NOW)
    assert (None if found is None else (found.grace_seconds, found.deleted, found.phase)) == expected


def sized(cpu: str, policy: str = "NotRequired") -> Container:
    return Container(
        name="app",
        image="i",
        resources=ResourceRequirements(requests={"cpu": cpu}),
        resizePolicy=[ContainerResizePolicy(resourceName="cpu", restartPolicy=policy)],
    )


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        pytest.param(sized("1"), [], id="as it was"),
        pytest.param(sized("2"), ["resize app-0"], id="while it runs"),
        pytest.param(sized("2", "RestartContainer"), ["kill app-0"], id="by a restart"),
    ],
)
def test_resources_that_changed(container: Container, expected: list[str]) -> None:
    wanted = Pod(metadata=ObjectMeta(name="web", uid="u"), spec=PodSpec(containers=[container]))
    assert told(plan(wanted, state(run("app"), applied={"app-0": sized("1").resources}), NOW).steps) == expected


def test_a_grace_period_only_shrinks() -> None:
    wanted = pod(deleted=True)
    observed = state(run("app"), ending=Ending(5, deleted=True))
    wanted.metadata.deletionGracePeriodSeconds = 60
    found = decide(wanted, observed, NOW)
    assert found is not None
    assert found.grace_seconds == 5
    wanted.metadata.deletionGracePeriodSeconds = 2
    found = decide(wanted, observed, NOW)
    assert found is not None
    assert found.grace_seconds == 2


@pytest.mark.parametrize(
    ("wanted", "observed", "expected"),
    [
        pytest.param(pod(), state(failures={"app": Failure("ErrImagePull", "", NOW + 5)}), NOW + 5, id="the next try"),
        pytest.param(pod(), state(run("app", EXITED), back_offs={"app": BackOff(10, NOW - 5)}), NOW + 9, id="the end of a back-off"),
        pytest.param(pod(activeDeadlineSeconds=60), state(run("app"), first_seen=NOW), NOW + 60, id="the deadline"),
        pytest.param(pod(), state(run("app")), None, id="nothing to wait for"),
    ],
)
def test_when_to_plan_again(wanted: Pod, observed: PodState, expected: float | None) -> None:
    assert plan(wanted, observed, NOW).wake_at == expected


def test_a_liveness_probe_has_a_grace_period_of_its_own() -> None:
    (step,) = plan(PROBED_POD, state(run("app"), probes={"app-0": Probed(failed="Liveness")}), NOW).steps
    assert isinstance(step, KillAll)
    assert step.kills[0].grace_seconds == 5
    assert step.kills[0].message == "Container app failed liveness probe, will be restarted"
