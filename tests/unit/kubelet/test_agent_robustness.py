"""What events did not tell, what takes long, and what a critical pod may do: the node goes on, and says what is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pilothouse.api.types.core_v1 import (
    Container,
    ContainerPort,
    ExecAction,
    Lifecycle,
    LifecycleHandler,
    Node,
    NodeStatus,
    Pod,
    Probe,
    ResourceRequirements,
    TCPSocketAction,
)
from pilothouse.client.call import Options
from pilothouse.kit.blocking import BlockingCalls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.kubelet.cgroups import NoCgroups
from pilothouse.kubelet.leftovers import Leftovers, left_over
from pilothouse.kubelet.node.admission import admit
from pilothouse.kubelet.node.preemption import NoRoom, pods_to_preempt
from pilothouse.kubelet.runtime.containers import ContainerState, ExecResult
from pilothouse.kubelet.runtime.port import RuntimeFailure
from pilothouse.kubelet.runtime.sandboxes import SandboxConfig
from pilothouse.kubelet.runtime.simulated import SimulatedRuntime
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from tests.unit.kubelet.harness import Node as SimulatedNode
from tests.unit.kubelet.harness import a_pod, node

CRITICAL = 2_000_000_000


def asking(name: str, cpu: str = "", memory: str = "", *, guaranteed: bool = False, priority: int | None = None) -> Pod:
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    resources = ResourceRequirements(requests=requests, limits=requests if guaranteed else {})
    pod = a_pod(name, Container(name="app", image="app:1", resources=resources), priority=priority)
    pod.metadata.uid = name
    return pod


@pytest.mark.parametrize(
    ("others", "missing", "expected"),
    [
        pytest.param([asking("a", "1"), asking("b", "2")], {"cpu": 1500}, ["b"], id="the one that is enough"),
        pytest.param([asking("a", "1"), asking("b", "2"), asking("c", "3")], {"cpu": 1500}, ["b"], id="the smaller of two"),
        pytest.param([asking("a", "1"), asking("b", "1"), asking("c", "500m")], {"cpu": 2000}, ["a", "b"], id="as few as can be"),
        pytest.param([asking("g", "2", "1Gi", guaranteed=True), asking("b", "2")], {"cpu": 1000}, ["b"], id="guaranteed last"),
        pytest.param([asking("b", "2"), asking("e")], {"pods": 1}, ["e"], id="best effort first"),
        pytest.param([asking("k", "4", priority=CRITICAL), asking("b", "2")], {"cpu": 1000}, ["b"], id="critical never"),
    ],
)
def test_who_makes_room_for_a_critical_pod(others: list[Pod], missing: dict[str, int], expected: list[str]) -> None:
    chosen = pods_to_preempt(asking("new", "1", priority=CRITICAL), others, missing)
    assert sorted(pod.metadata.name for pod in chosen) == expected


def test_nobody_is_ended_where_that_would_not_be_enough() -> None:
    with pytest.raises(NoRoom, match=r"no set of running pods found to reclaim resources: \[\(res: cpu, q: 500\), \]"):
        pods_to_preempt(asking("new", "1", priority=CRITICAL), [asking("a", "1")], {"cpu": 1500})


def vital(cpu: str) -> Pod:
    """A pod of a class that is critical to the node."""
    pod = asking("vital", cpu)
    pod.spec.priorityClassName = "system-node-critical"
    return pod


async def test_a_critical_pod_is_admitted_and_others_make_room() -> None:
    async with node() as one:
        await one.run(asking("big", "7"))
        await one.run(asking("small", "100m"))
        pod = await one.run(vital("6"))
        assert pod.status.phase == "Running"
        big = await one.pod("big")
        assert (big.status.phase, big.status.reason, big.status.message) == (
            "Failed",
            "Preempting",
            "Preempted in order to admit critical pod",
        )
        told = next(condition for condition in big.status.conditions if condition.type == "DisruptionTarget")
        assert told.message == "Pod was preempted by Kubelet to accommodate a critical pod."
        assert (await one.pod("small")).status.phase == "Running"


async def test_a_critical_pod_that_fits_nowhere_is_refused_and_nobody_ended() -> None:
    async with node() as one:
        await one.run(asking("web", "1"))
        pod = await one.run(vital("60"))
        assert (pod.status.phase, pod.status.reason) == ("Failed", "UnexpectedAdmissionError")
        assert (await one.pod("web")).status.phase == "Running"


def test_host_ports_of_sidecars_are_taken_too() -> None:
    def with_sidecar(name: str) -> Pod:
        side = Container(name="side", image="a", restartPolicy="Always", ports=[ContainerPort(containerPort=80, hostPort=8080)])
        pod = a_pod(name, initContainers=[side])
        pod.metadata.uid = name
        return pod

    refused = admit(with_sidecar("b"), [with_sidecar("a")], Node(status=NodeStatus(allocatable={"pods": "9"})))
    assert refused is not None
    assert refused.reason == "NodePorts"


async def quietly_exited(one: SimulatedNode, pod: str) -> None:
    """Its container ends, and no event says so."""
    container = one.runtime.named(pod, "app")
    ended = replace(container.status.container, state=ContainerState.EXITED)
    container.status = replace(container.status, container=ended, exit_code=3, finished_at=one.clock.now().timestamp())


async def test_an_exit_that_no_event_told_is_found_by_the_next_relist() -> None:
    async with node() as one:
        await one.run(a_pod(restartPolicy="Never"))
        await quietly_exited(one, "web")
        await one.advance(12)
        pod = await one.pod("web")
        assert pod.status.phase == "Failed"
        ended = pod.status.containerStatuses[0].state.terminated
        assert ended is not None
        assert ended.exitCode == 3


async def test_a_sandbox_that_somebody_left_is_ended_and_no_other() -> None:
    async with node() as one:
        await one.run(a_pod())
        labels = {"io.kubernetes.pod.uid": "u-left"}
        left = await one.runtime.run_pod_sandbox(SandboxConfig("left", "u-left", "default", labels=labels))
        foreign = await one.runtime.run_pod_sandbox(SandboxConfig("foreign", "x", "default"))
        await one.advance(11)
        assert left in one.runtime.sandboxes  # at the first look it may be somebody's who is not known yet
        await one.advance(11)
        assert left not in one.runtime.sandboxes
        assert foreign in one.runtime.sandboxes
        assert (await one.pod("web")).status.phase == "Running"


async def test_a_runtime_that_is_silent_for_long_makes_the_node_not_ready() -> None:
    async def ready() -> tuple[str, str]:
        shown = await one.client.get(Node, "node-0")
        condition = next(condition for condition in shown.status.conditions if condition.type == "Ready")
        return condition.status, condition.message

    async def silent(*_: object, **__: object) -> None:
        raise RuntimeFailure("connection refused", "UNAVAILABLE")

    async with node() as one:
        names = ("version", "status", "list_images", "list_pod_sandboxes", "list_containers")
        answers = {name: getattr(one.runtime, name) for name in names}
        for name in names:
            setattr(one.runtime, name, silent)
        await one.advance(25)
        assert (await ready())[0] == "True"  # it may be starting anew
        await one.advance(20)
        assert await ready() == ("False", "container runtime is down")
        await one.advance(180)
        _, message = await ready()
        assert message.startswith("[container runtime is down, PLEG is not healthy: pleg was last seen active 3m")
        for name in names:
            setattr(one.runtime, name, answers[name])
        await one.advance(25)
        assert await ready() == ("True", "kubelet is posting ready status")


async def test_a_pre_stop_hook_that_runs_out_of_time_is_told() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(exec_seconds=50))
        hook = Lifecycle(preStop=LifecycleHandler(exec=ExecAction(command=["bye"])))
        await one.run(a_pod("web", Container(name="app", image="app:1", lifecycle=hook), terminationGracePeriodSeconds=5))
        await one.client.delete(Pod, "web", "default", options=Options())
        await one.advance(10)
        assert await one.events("FailedPreStopHook") == ["PreStopHook failed"]
        assert await one.pods() == []


async def test_a_container_is_probed_while_another_ones_image_is_pulled() -> None:
    probe = Probe(tcpSocket=TCPSocketAction(port=80), periodSeconds=1)
    async with node() as one:
        one.runtime.has_image("app:1")
        one.runtime.pull_seconds = 100
        pod = await one.run(
            a_pod("web", Container(name="app", image="app:1", readinessProbe=probe), Container(name="late", image="late:1")), 10
        )
        ready = {status.name: status.ready for status in pod.status.containerStatuses}
        assert ready == {"app": True, "late": False}


async def test_a_container_whose_end_fails_takes_no_time_from_the_others() -> None:
    """The one is tried again until it is gone; the other's hook runs once, and to its end."""
    asked: list[tuple[str, ...]] = []
    async with node() as one:

        def answer(command: Sequence[str]) -> ExecResult:
            asked.append(tuple(command))
            return ExecResult(b"", b"", 0)

        one.runtime.behave("app:1", Behaviour(exec_seconds=3, exec=answer))
        hook = Lifecycle(preStop=LifecycleHandler(exec=ExecAction(command=["bye"])))
        await one.run(a_pod("web", Container(name="app", image="app:1", lifecycle=hook), Container(name="bad", image="bad:1")))
        stop, failed = one.runtime.stop_container, list[str]()
        bad = one.runtime.named("web", "bad").status.container.id

        async def stop_container(container_id: str, timeout_seconds: float) -> None:
            if container_id == bad and len(failed) < 2:
                failed.append(container_id)
                raise RuntimeFailure("cannot be stopped")
            await stop(container_id, timeout_seconds)

        one.runtime.stop_container = stop_container  # type: ignore[method-assign]
        await one.client.delete(Pod, "web", "default", options=Options())
        await one.advance(20)
        assert await one.pods() == []
        assert (asked, len(failed)) == ([("bye",)], 2)


@pytest.mark.parametrize(
    ("found", "wanted", "before", "expected"),
    [
        pytest.param({"a"}, {"a"}, set(), (set(), set()), id="what is wanted"),
        pytest.param({"a", "b"}, {"a"}, set(), (set(), {"b"}), id="suspected at the first look"),
        pytest.param({"a", "b"}, {"a"}, {"b"}, ({"b"}, set()), id="ended at the second"),
        pytest.param({"b"}, {"b"}, {"b"}, (set(), set()), id="listed meanwhile"),
        pytest.param({"c"}, set(), {"b"}, (set(), {"c"}), id="another one"),
    ],
)
def test_what_counts_as_left_over(found: set[str], wanted: set[str], before: set[str], expected: tuple[set[str], set[str]]) -> None:
    assert left_over(found, wanted, before) == expected


class Groups(NoCgroups):
    def __init__(self, *names: str) -> None:
        self.names, self.removed = names, list[str]()

    async def children(self, path: str) -> list[str]:
        return [*self.names] if path == "/c/kubepods" else []

    async def remove(self, path: str) -> None:
        self.removed.append(path)


class ForgottenShims:
    def __init__(self, *ids: str) -> None:
        self.running = {*ids}

    def ids(self) -> set[str]:
        return {*self.running}

    def end(self, identifier: str) -> None:
        self.running.discard(identifier)


async def test_shims_and_groups_that_nobody_has_are_ended_and_no_others() -> None:
    clock = SystemClock()
    runtime, groups = SimulatedRuntime(clock, Entropy(1)), Groups("podhere", "podgone", "burstable")
    kept = await runtime.run_pod_sandbox(SandboxConfig("web", "here", "default"))
    shims = ForgottenShims(kept, "forgotten")
    leftovers = Leftovers(runtime, groups, shims, BlockingCalls(clock), clock, "/c", lambda uid: uid == "here")
    await leftovers.sweep()
    assert (shims.running, groups.removed) == ({kept, "forgotten"}, [])
    await leftovers.sweep()
    assert (shims.running, groups.removed) == ({kept}, ["/c/kubepods/podgone"])
