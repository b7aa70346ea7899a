"""Other resources for a running pod: granted, put off or refused, and nothing of it forgotten when the kubelet begins anew."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from pilothouse.api.types.core_v1 import Container, ContainerResizePolicy, NodeStatus, Pod, PodCondition, PodSpec, ResourceRequirements
from pilothouse.api.types.core_v1 import Node as NodeObject
from pilothouse.client.call import STRATEGIC_MERGE_PATCH
from pilothouse.kubelet.cgroups import NoCgroups
from pilothouse.kubelet.launch.resources import PodCgroup, widest
from pilothouse.kubelet.node.admission import admit_resize
from pilothouse.kubelet.pods.allocation import DEFERRED, INFEASIBLE, PendingResize
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.node.cgroups import NO_LIMITS, Limits
from tests.unit.kubelet.harness import Node, a_pod, node


def sized(name: str, cpu: str, memory: str = "1Gi", **annotations: str) -> Pod:
    own = Container(name="app", image="app:1", resources=ResourceRequirements(requests={"cpu": cpu, "memory": memory}))
    return Pod(metadata=ObjectMeta(name=name, uid=name, annotations=annotations), spec=PodSpec(containers=[own]))


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(sized("web", "3"), None, id="there is room"),
        pytest.param(
            sized("web", "5"),
            PendingResize(INFEASIBLE, "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000"),
            id="more cpu than the node has",
        ),
        pytest.param(
            sized("web", "5", "9Gi"),
            PendingResize(INFEASIBLE, "Node didn't have enough capacity: memory, requested: 9663676416, capacity: 8589934592"),
            id="more of both: memory is told",
        ),
        pytest.param(
            sized("web", "3500m"),
            PendingResize(DEFERRED, "Node didn't have enough resource: cpu, requested: 3500, used: 1000, capacity: 4000"),
            id="others have it",
        ),
        pytest.param(
            sized("web", "1", **{"kubernetes.io/config.source": "file"}),
            PendingResize(INFEASIBLE, "In-place resize of static-pods is not supported"),
            id="static",
        ),
    ],
)
def test_what_a_node_can_give(pod: Pod, expected: PendingResize | None) -> None:
    machine = NodeObject(metadata=ObjectMeta(name="n"), status=NodeStatus(allocatable={"cpu": "4", "memory": "8Gi", "pods": "110"}))
    assert admit_resize(pod, [sized("web", "1"), sized("other", "1")], machine) == expected


async def run(one: Node, name: str, cpu: str, policy: str = "NotRequired", **spec: Any) -> Pod:
    resources = ResourceRequirements(requests={"cpu": cpu, "memory": "128Mi"}, limits={"cpu": cpu, "memory": "1Gi"})
    policies = [ContainerResizePolicy(resourceName="cpu", restartPolicy=policy)]
    own = Container(name="app", image="app:1", resources=resources, resizePolicy=policies)
    return await one.run(a_pod(name, own, **{"terminationGracePeriodSeconds": 1, **spec}))


async def resize(one: Node, name: str, cpu: str, memory: str = "1Gi") -> None:
    wanted = {"requests": {"cpu": cpu}, "limits": {"cpu": cpu, "memory": memory}}
    body = {"spec": {"containers": [{"name": "app", "resources": wanted}]}}
    await one.client.patch(Pod, name, "default", orjson.dumps(body), patch_type=STRATEGIC_MERGE_PATCH, subresource="resize")


def condition(pod: Pod, type: str) -> PodCondition | None:
    return next((one for one in pod.status.conditions if one.type == type), None)


def pending(pod: Pod) -> PodCondition | None:
    return condition(pod, "PodResizePending")


def given(one: Node, name: str) -> float:
    """Cores that the container may use."""
    resources = one.runtime.named(name, "app").config.resources
    return resources.cpu_quota / resources.cpu_period


def told(pod: Pod) -> tuple[object, object]:
    """What the status says: in force, granted."""
    status = pod.status.containerStatuses[0]
    assert status.resources is not None
    return status.resources.requests["cpu"], status.allocatedResources["cpu"]


async def test_what_there_is_room_for_is_given_without_a_restart() -> None:
    async with node() as one:
        await run(one, "web", "1")
        await resize(one, "web", "2")
        await one.advance(2)
        pod = await one.pod("web")
        assert (given(one, "web"), told(pod), pending(pod)) == (2.0, ("2", "2"), None)
        assert pod.status.containerStatuses[0].restartCount == 0
        completed = json.loads((await one.events("ResizeCompleted"))[0].removeprefix("Pod resize completed: "))
        assert completed["containers"][0]["resources"]["requests"] == {"cpu": "2", "memory": "128Mi"}
        assert completed["generation"] == pod.metadata.generation


async def test_what_the_node_does_not_have_is_refused_and_what_was_granted_stays() -> None:
    async with node() as one:
        await run(one, "web", "1")
        await resize(one, "web", "100")
        await one.advance(2)
        pod = await one.pod("web")
        found = pending(pod)
        assert found is not None
        assert (found.status, found.reason, found.observedGeneration) == ("True", "Infeasible", pod.metadata.generation)
        assert found.message == "Node didn't have enough capacity: cpu, requested: 100000, capacity: 8000"
        assert (given(one, "web"), told(pod)) == (1.0, ("1", "1"))
        assert found.message in (await one.events("ResizeInfeasible"))[0]
        await resize(one, "web", "2")
        await one.advance(2)
        pod = await one.pod("web")
        assert (given(one, "web"), told(pod), pending(pod)) == (2.0, ("2", "2"), None)


async def test_what_others_have_is_given_when_they_are_gone() -> None:
    async with node() as one:
        await run(one, "web", "1")
        await run(one, "other", "5")
        await resize(one, "web", "4")
        await one.advance(2)
        pod = await one.pod("web")
        found = pending(pod)
        assert found is not None
        assert (found.reason, given(one, "web"), told(pod)) == ("Deferred", 1.0, ("1", "1"))
        await one.client.delete(Pod, "other", "default")
        await one.advance(5)
        pod = await one.pod("web")
        assert (pending(pod), given(one, "web"), told(pod)) == (None, 4.0, ("4", "4"))


async def test_what_was_asked_for_while_no_kubelet_ran_is_given_by_the_next() -> None:
    async with node() as one:
        await run(one, "web", "1")
        await one.stop()
        await resize(one, "web", "2")
        one.kubelet = one.make()
        await one.start()
        await one.advance(2)
        pod = await one.pod("web")
        assert (given(one, "web"), told(pod), pod.status.containerStatuses[0].restartCount) == (2.0, ("2", "2"), 0)


async def test_what_was_refused_is_refused_by_the_next_kubelet_too() -> None:
    async with node() as one:
        await run(one, "web", "1")
        await resize(one, "web", "100")
        await one.advance(2)
        await one.restart()
        await one.advance(2)
        pod = await one.pod("web")
        assert (given(one, "web"), told(pod)) == (1.0, ("1", "1"))
        found = pending(pod)
        assert found is not None
        assert found.reason == "Infeasible"


async def test_a_resize_by_a_restart_goes_on_until_the_next_run_has_started() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(stop_seconds=100))
        await run(one, "web", "1", "RestartContainer", terminationGracePeriodSeconds=20)
        await resize(one, "web", "2")
        await one.advance(10)
        pod = await one.pod("web")
        found = condition(pod, "PodResizeInProgress")
        assert found is not None
        assert (found.status, found.reason, told(pod), await one.events("ResizeCompleted")) == ("True", "", ("1", "2"), [])
        await one.advance(15)
        pod = await one.pod("web")
        assert (condition(pod, "PodResizeInProgress"), given(one, "web"), told(pod)) == (None, 2.0, ("2", "2"))
        assert len(await one.events("ResizeCompleted")) == 1


async def test_a_limit_below_what_is_in_use_waits_until_less_is() -> None:
    async with node() as one:
        await run(one, "web", "1")
        one.runtime.named("web", "app").behaviour.memory_bytes = 700 * 1024 * 1024
        await resize(one, "web", "1", "512Mi")
        await one.advance(25)
        pod = await one.pod("web")
        found = condition(pod, "PodResizeInProgress")
        assert found is not None
        text = 'attempting to set container "app" memory limit (536870912) below current usage (734003200)'
        assert (found.reason, found.message, told(pod)) == ("Error", text, ("1", "1"))
        assert [json.loads(one.removeprefix("Pod resize error: "))["error"] for one in await one.events("ResizeError")] == [text]
        one.runtime.named("web", "app").behaviour.memory_bytes = 100 * 1024 * 1024
        await one.advance(15)
        pod = await one.pod("web")
        assert condition(pod, "PodResizeInProgress") is None
        assert pod.status.containerStatuses[0].resources is not None
        assert pod.status.containerStatuses[0].resources.limits["memory"] == "512Mi"


class Groups(NoCgroups):
    """Notes what the quota of a pod's group was set to, beside that of its container."""

    def __init__(self) -> None:
        self.quotas: list[tuple[int, int]] = []
        self.of_container = lambda: 0

    async def ensure(self, path: str, limits: Limits = NO_LIMITS) -> None:
        if "/pod" in path:
            self.quotas.append((limits.cpu_quota, self.of_container()))


async def test_a_pods_group_is_never_smaller_than_its_containers() -> None:
    async with node() as one:
        groups = one.kubelet.shared.cgroups = Groups()
        await run(one, "web", "1")
        groups.of_container = lambda: one.runtime.named("web", "app").config.resources.cpu_quota
        await resize(one, "web", "3")
        await one.advance(2)
        await resize(one, "web", "2")
        await one.advance(2)
        assert groups.quotas == [
            (100_000, 0),
            (300_000, 100_000),
            (300_000, 300_000),
            (300_000, 300_000),
            (200_000, 200_000),
        ]


async def test_a_container_that_starts_anew_for_it_finds_room_in_the_pods_group() -> None:
    async with node() as one:
        groups = one.kubelet.shared.cgroups = Groups()
        await run(one, "web", "1", "RestartContainer")
        await resize(one, "web", "3")
        await one.advance(5)
        assert (given(one, "web"), [quota for quota, _ in groups.quotas]) == (3.0, [100_000, 300_000, 300_000])


async def test_a_container_that_crashed_for_want_of_memory_tries_the_new_limit_at_once() -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(run_seconds=1, oom=True))
        await run(one, "web", "1")
        await one.advance(120)
        pod = await one.pod("web")
        waiting = pod.status.containerStatuses[0].state.waiting
        assert waiting is not None
        assert waiting.reason == "CrashLoopBackOff"
        one.runtime.behave("app:1", Behaviour())
        await resize(one, "web", "1", "2Gi")
        await one.advance(3)
        pod = await one.pod("web")
        assert pod.status.containerStatuses[0].state.running is not None
        assert one.runtime.named("web", "app").config.resources.memory_limit == 2 << 30


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param((2, 100, 10), (3, 50, 20), (3, 100, 20), id="the larger of each"),
        pytest.param((2, 0, 10), (3, 50, 0), (3, 0, 0), id="no limit is larger than any"),
    ],
)
def test_what_allows_both_sizes(one: tuple[int, int, int], other: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    first, second, both = (
        PodCgroup("/p", shares, cpu_quota=quota, memory_limit=memory) for shares, quota, memory in (one, other, expected)
    )
    assert widest(first, second) == both
