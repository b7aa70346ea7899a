"""What is told of pods that end: when they count as over, and what became of containers that nobody saw end."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core_v1 import (
    Container,
    ContainerPort,
    ContainerRestartRule,
    ContainerRestartRuleOnExitCodes,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    ExecAction,
    Pod,
    PodSpec,
    Probe,
    Volume,
)
from pilothouse.api.types.core_v1 import SecretVolumeSource as SecretSource
from pilothouse.kubelet.pods.final_status import end_unfinished, limit_messages
from pilothouse.kubelet.runtime.containers import ExecResult
from pilothouse.kubelet.runtime.port import RuntimeFailure
from pilothouse.kubelet.runtime.sandboxes import SandboxConfig
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from tests.unit.kubelet.harness import a_pod, node

WAITS = ContainerState(waiting=ContainerStateWaiting(reason="PodInitializing"))
RAN = ContainerState(terminated=ContainerStateTerminated(exitCode=0, reason="Completed"))
FAILED = ContainerState(terminated=ContainerStateTerminated(exitCode=1, reason="Error"))
RUNS = ContainerState(running=ContainerStateRunning())


async def test_a_pod_is_over_only_when_its_containers_are() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(stop_seconds=100))
        await one.run(a_pod(activeDeadlineSeconds=10, terminationGracePeriodSeconds=20))
        await one.advance(15)
        pod = await one.pod("web")
        assert (pod.status.phase, pod.status.reason, pod.status.message) == ("Running", "", "")
        assert next(each.status for each in pod.status.conditions if each.type == "Ready") == "False"
        await one.advance(15)
        pod = await one.pod("web")
        assert (pod.status.phase, pod.status.reason) == ("Failed", "DeadlineExceeded")


async def test_a_pod_that_ends_still_has_its_place() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(stop_seconds=100))
        port = Container(name="app", image="app:1", ports=[ContainerPort(containerPort=80, hostPort=8080)])
        await one.run(a_pod("old", port, terminationGracePeriodSeconds=20))
        await one.client.delete(Pod, "old", "default")
        early = await one.run(a_pod("early", port))
        assert (early.status.phase, early.status.reason) == ("Failed", "NodePorts")
        await one.advance(20)
        assert (await one.run(a_pod("late", port))).status.phase == "Running"


@pytest.mark.parametrize("deleted", [True, False], ids=["one that is deleted", "one that ends by itself"])
async def test_a_pod_whose_containers_have_ended_leaves_its_place_at_once(deleted: bool) -> None:
    """The scheduler gives it away as soon as the phase tells of the end, long before everything is cleared away."""
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(stop_seconds=5, run_seconds=None if deleted else 5))

        async def stuck(sandbox_id: str) -> None:
            await one.clock.sleep(1000)

        one.runtime.stop_pod_sandbox = stuck  # type: ignore[method-assign]
        port = Container(name="app", image="app:1", ports=[ContainerPort(containerPort=80, hostPort=8080)])
        await one.run(a_pod("old", port, restartPolicy="Never"))
        if deleted:
            await one.client.delete(Pod, "old", "default")
        await one.advance(10)
        assert (await one.pod("old")).status.phase == ("Failed" if deleted else "Succeeded")
        assert (await one.run(a_pod("next", port))).status.phase == "Running"


async def test_containers_that_never_began_are_not_left_waiting() -> None:
    async with node() as one:
        volume = Volume(name="v", secret=SecretSource(secretName="none"))
        await one.run(a_pod(activeDeadlineSeconds=10, volumes=[volume]))
        await one.advance(15)
        pod = await one.pod("web")
        ended = pod.status.containerStatuses[0].state.terminated
        assert ended is not None
        assert (ended.reason, ended.exitCode) == ("ContainerStatusUnknown", 137)


async def test_a_container_that_is_not_restarted_is_not_said_to_be() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(exec=lambda command: ExecResult(b"", b"", 1)))
        probe = Probe(exec=ExecAction(command=["false"]), periodSeconds=1, failureThreshold=1)
        await one.run(a_pod("web", Container(name="app", image="app:1", livenessProbe=probe), restartPolicy="Never"), 5)
        assert await one.events("Killing") == ["Container app failed liveness probe"]


def pod(init: int) -> Pod:
    return Pod(spec=PodSpec(initContainers=[Container(name=f"i{number}") for number in range(init)], containers=[Container(name="app")]))


def words(state: ContainerState) -> str:
    return state.terminated.reason if state.terminated is not None else "waits"


@pytest.mark.parametrize(
    ("init", "main", "expected"),
    [
        pytest.param([], WAITS, "ContainerStatusUnknown", id="without init containers"),
        pytest.param([], RAN, "Completed", id="what is known stays"),
        pytest.param([], RUNS, "ContainerStatusUnknown", id="ran when last seen"),
        pytest.param([RAN], WAITS, "Completed ContainerStatusUnknown", id="after initialization"),
        pytest.param([FAILED, WAITS], WAITS, "Error waits waits", id="where initialization failed"),
        pytest.param([WAITS, WAITS], WAITS, "ContainerStatusUnknown waits waits", id="before the first"),
        pytest.param([WAITS, RUNS, WAITS], WAITS, "ContainerStatusUnknown ContainerStatusUnknown waits waits", id="in the second"),
    ],
)
def test_what_became_of_the_containers_of_a_pod_that_is_gone(init: list[ContainerState], main: ContainerState, expected: str) -> None:
    first = [ContainerStatus(name=f"i{number}", state=one) for number, one in enumerate(init)]
    rest = [ContainerStatus(name="app", state=main)]
    end_unfinished(pod(len(init)), first, rest)
    assert " ".join(words(one.state) for one in [*first, *rest]) == expected


def test_the_last_words_of_all_containers_share_twelve_kibibytes() -> None:
    said = ContainerState(terminated=ContainerStateTerminated(exitCode=1, message="é" * 2000))
    status = ContainerStatus(name="app", state=WAITS, lastState=said)
    for others, expected in ((2, 2000), (5, 1024)):
        limit_messages(pod(others), [status])
        assert status.lastState.terminated is not None
        assert len(status.lastState.terminated.message) == expected


async def test_a_sandbox_that_cannot_be_made_is_told_with_the_code() -> None:
    async with node() as one:

        async def refuse(config: SandboxConfig, runtime_handler: str = "") -> str:
            raise RuntimeFailure("no room")

        one.runtime.run_pod_sandbox = refuse  # type: ignore[method-assign]
        await one.run(a_pod())
        assert await one.events("FailedCreatePodSandBox") == ["Failed to create pod sandbox: rpc error: code = Unknown desc = no room"]
        long = {"hostname": "a" * 40, "subdomain": "b" * 20, "setHostnameAsFQDN": True}
        await one.run(a_pod("long", **long))
        said = [text for text in await one.events("FailedCreatePodSandBox") if "FQDN" in text]
        assert said[0].startswith("Failed to create pod sandbox: failed to construct FQDN from pod hostname and cluster domain, FQDN aaa")


async def test_a_container_that_cannot_be_stopped_is_told_and_tried_again() -> None:
    async with node() as one:
        await one.run(a_pod(terminationGracePeriodSeconds=1))
        stop, tries = one.runtime.stop_container, 0

        async def refuse_once(container_id: str, timeout_seconds: float) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise RuntimeFailure("it will not go")
            await stop(container_id, timeout_seconds)

        one.runtime.stop_container = refuse_once  # type: ignore[method-assign]
        await one.client.delete(Pod, "web", "default")
        await one.advance(10)
        assert await one.events("FailedKillPod") == ["error killing pod: rpc error: code = Unknown desc = it will not go"]
        assert await one.pods() == []


def ruled(name: str, *codes: int, operator: str = "In", policy: str | None = None) -> Container:
    """A container that runs again after these exit codes, whatever its pod's policy."""
    rule = ContainerRestartRule(action="Restart", exitCodes=ContainerRestartRuleOnExitCodes(operator=operator, values=[*codes]))
    return Container(name=name, image=f"{name}:1", restartPolicy=policy or "Never", restartPolicyRules=[rule] if codes else [])


@pytest.mark.parametrize(
    ("container", "of_pod", "exit_code", "phase", "restarts"),
    [
        pytest.param(ruled("app", 42), "Never", 42, "Running", True, id="a code of its rules"),
        pytest.param(ruled("app", 42), "Never", 1, "Failed", False, id="another code"),
        pytest.param(ruled("app", 42, operator="NotIn"), "Never", 1, "Running", True, id="any code but"),
        pytest.param(ruled("app", policy="OnFailure"), "Never", 1, "Running", True, id="its own policy"),
        pytest.param(ruled("app", policy="OnFailure"), "Never", 0, "Succeeded", False, id="which it has fulfilled"),
        pytest.param(ruled("app"), "Always", 1, "Failed", False, id="never, in a pod that always restarts"),
    ],
)
async def test_a_containers_own_rules_say_whether_it_runs_again(
    container: Container, of_pod: str, exit_code: int, phase: str, restarts: bool
) -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(run_seconds=2, exit_code=exit_code))
        await one.run(a_pod("web", container, restartPolicy=of_pod))
        await one.advance(20)
        pod = await one.pod("web")
        assert (pod.status.phase, pod.status.containerStatuses[0].restartCount > 0) == (phase, restarts)


async def test_an_init_containers_own_rules_say_whether_the_pod_fails() -> None:
    async with node() as one:
        for name in ("again", "never"):
            one.runtime.behave(f"{name}:1", Behaviour(run_seconds=1, exit_code=3))
        await one.run(a_pod("lasting", initContainers=[ruled("again", 3)], restartPolicy="Never"))
        await one.run(a_pod("lost", initContainers=[ruled("never")], restartPolicy="Always"))
        await one.advance(20)
        assert [(await one.pod(name)).status.phase for name in ("lasting", "lost")] == ["Pending", "Failed"]
        assert (await one.pod("lasting")).status.initContainerStatuses[0].restartCount > 0


async def test_a_container_may_have_all_of_its_pod_start_anew() -> None:
    rule = ContainerRestartRule(action="RestartAllContainers", exitCodes=ContainerRestartRuleOnExitCodes(operator="In", values=[88]))
    async with node() as one:
        one.runtime.behave("init:1", Behaviour(run_seconds=1))
        trigger = Container(name="trigger", image="trigger:1", restartPolicy="Never", restartPolicyRules=[rule])
        init = Container(name="init", image="init:1")
        await one.run(a_pod("web", Container(name="app", image="app:1"), trigger, initContainers=[init], restartPolicy="Never"), 10)
        before = {name: one.runtime.named("web", name).status.container.id for name in ("app", "trigger")}
        sandboxes = set(one.runtime.sandboxes)
        one.runtime.exit(before["trigger"], 88)
        await one.advance(60)
        pod = await one.pod("web")
        assert pod.status.phase == "Running"
        counts = {status.name: status.restartCount for status in (*pod.status.initContainerStatuses, *pod.status.containerStatuses)}
        assert counts == {"init": 1, "app": 1, "trigger": 1}
        assert {name: one.runtime.named("web", name).status.container.id for name in before} != before
        assert set(one.runtime.sandboxes) == sandboxes
        condition = next(condition for condition in pod.status.conditions if condition.type == "AllContainersRestarting")
        assert condition.status == "False"
        one.runtime.exit(one.runtime.named("web", "trigger").status.container.id, 1)
        one.runtime.exit(one.runtime.named("web", "app").status.container.id, 0)
        await one.advance(5)
        assert (await one.pod("web")).status.phase == "Failed"
