"""The scheduler as a whole, on a fake API and a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import ContainerStatus, Event, Node, Pod, PodSchedulingGate
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock, wait_until_idle
from pilothouse.machinery.errors import conflict
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import Wake
from pilothouse.scheduler.profile import default_profile
from pilothouse.scheduler.scheduler import Scheduler
from pilothouse.scheduler.snapshot import NodeColumns
from tests.unit.scheduler.fake_api import FakeApi
from tests.unit.scheduler.objects import container, node, pod


class World:
    def __init__(self, seed: int = 1) -> None:
        self.api = FakeApi()
        self.clock = VirtualClock()
        self.scheduler = Scheduler(self.api.client, self.clock, Entropy(seed))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        task = asyncio.create_task(self.scheduler.run())
        try:
            await wait_until_idle()
            yield self
        finally:
            if task.done():
                task.result()  # it failed: that is what is wrong
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def put(self, *objects: Any) -> None:
        self.api.put(*objects)
        await wait_until_idle()

    def where(self, name: str) -> str:
        found: Pod = self.api.get(Pod, name)
        return found.spec.nodeName

    def messages(self, reason: str) -> list[str]:
        return [one.message for one in self.api.all(Event) if one.reason == reason]

    def condition(self, name: str) -> tuple[str, str, str]:
        found: Pod = self.api.get(Pod, name)
        one = next(one for one in found.status.conditions if one.type == "PodScheduled")
        return one.status, one.reason, one.message


async def test_binds_a_pod_and_says_so() -> None:
    async with World().running() as world:
        await world.put(node("a"), pod("web"))
        assert world.where("web") == "a"
        assert world.messages("Scheduled") == ["Successfully assigned default/web to a"]


async def test_spreads_equal_pods() -> None:
    async with World().running() as world:
        await world.put(*(node(name) for name in "abc"), *(pod(f"web-{i}", cpu="500m", memory="1Gi") for i in range(6)))
        assert sorted(world.where(f"web-{i}") for i in range(6)) == ["a", "a", "b", "b", "c", "c"]


async def test_without_nodes_says_so_and_wakes_when_one_comes() -> None:
    async with World().running() as world:
        await world.put(pod("web"))
        assert world.condition("web") == ("False", "Unschedulable", "no nodes available to schedule pods")
        assert world.messages("FailedScheduling") == ["no nodes available to schedule pods"]
        await world.put(node("a"))
        assert world.where("web") == "a"


async def test_tells_why_a_pod_fits_nowhere_in_upstreams_words() -> None:
    async with World().running() as world:
        await world.put(node("a", cpu="1"), node("b", taints="gpu=yes:NoSchedule"), node("c", taints="gpu=yes:NoSchedule"))
        await world.put(pod("web", cpu="2"))
        expected = (
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {gpu: yes}. "
            "no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        )
        assert world.condition("web") == ("False", "Unschedulable", expected)
        assert world.messages("FailedScheduling") == [expected]


async def test_a_pod_that_is_gone_makes_room_for_one_that_waits() -> None:
    async with World().running() as world:
        await world.put(node("a", cpu="1"), pod("first", cpu="800m"), pod("second", cpu="800m"))
        assert (world.where("first"), world.where("second")) == ("a", "")
        world.api.remove(world.api.get(Pod, "first"))
        await wait_until_idle()
        assert world.where("second") == "a"


async def test_a_finished_pod_makes_room_as_well() -> None:
    async with World().running() as world:
        await world.put(node("a", cpu="1"), pod("first", cpu="800m"), pod("second", cpu="800m"))
        done = FakeApi._copy(world.api.get(Pod, "first"))
        done.status.phase = "Succeeded"
        await world.put(done)
        assert world.where("second") == "a"


async def test_a_gated_pod_waits_for_its_gates_and_has_the_condition() -> None:
    async with World().running() as world:
        gated = pod("web", schedulingGates=[PodSchedulingGate(name="example.com/quota")])
        await world.put(node("a"), gated)
        assert world.where("web") == ""
        assert world.condition("web")[1] == "SchedulingGated"
        freed = FakeApi._copy(world.api.get(Pod, "web"))
        freed.spec.schedulingGates = []
        await world.put(freed)
        assert world.where("web") == "a"


async def test_a_refused_binding_is_tried_again_after_a_back_off() -> None:
    async with World().running() as world:
        world.api.refuse_bindings = conflict("pods", "", "web", "try again")
        await world.put(node("a"), pod("web"))
        why = 'running Bind plugin "DefaultBinder": Operation cannot be fulfilled on pods "web": try again'
        assert world.condition("web") == ("False", "SchedulerError", why)
        world.api.refuse_bindings = None
        await world.clock.advance(0.9)
        assert world.where("web") == ""
        await world.clock.advance(0.2)
        assert world.where("web") == "a"


async def test_a_binding_that_the_api_never_shows_is_forgotten_after_a_while() -> None:
    async with World().running() as world:
        world.api.drop_bindings = True
        await world.put(node("a", cpu="1"), pod("lost", cpu="800m"))
        world.api.drop_bindings = False
        await world.put(pod("second", cpu="800m"))
        assert world.where("second") == ""
        await world.clock.advance(31)
        await world.put(pod("knock"))
        await world.clock.advance(2)
        assert world.where("second") == "a"


async def test_pods_of_other_schedulers_are_left_alone() -> None:
    async with World().running() as world:
        other = pod("web")
        other.spec.schedulerName = "mine"
        await world.put(node("a"), other)
        assert world.where("web") == ""


async def test_uncordoning_wakes() -> None:
    async with World().running() as world:
        await world.put(node("a", unschedulable=True), pod("web"))
        assert world.messages("FailedScheduling")[0].startswith("0/1 nodes are available: 1 node(s) were unschedulable.")
        await world.put(node("a"))
        assert world.where("web") == "a"


async def test_higher_priority_goes_first() -> None:
    world = World()
    world.api.put(node("a", cpu="1"), pod("low", cpu="800m"), pod("high", cpu="800m", priority=10))
    async with world.running():
        assert (world.where("high"), world.where("low")) == ("a", "")


async def test_idle_it_sleeps_for_ever() -> None:
    async with World().running() as world:
        await world.put(node("a"), pod("web"))
        assert world.clock.next_deadline() is None


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_one_seed_gives_one_result(seed: int) -> None:
    placed = []
    for _ in range(2):
        async with World(seed).running() as world:
            await world.put(*(node(f"n{i}") for i in range(5)), *(pod(f"web-{i}") for i in range(20)))
            placed.append([world.where(f"web-{i}") for i in range(20)])
    assert placed[0] == placed[1]


async def test_a_deleted_node_takes_no_more_pods() -> None:
    async with World().running() as world:
        await world.put(node("a"), node("b"))
        world.api.remove(world.api.get(Node, "a", ""))
        await wait_until_idle()
        await world.put(*(pod(f"web-{i}") for i in range(4)))
        assert {world.where(f"web-{i}") for i in range(4)} == {"b"}


async def test_the_condition_tells_of_which_spec_it_speaks() -> None:
    async with World().running() as world:
        waiting = pod("web")
        waiting.metadata.generation = 3
        await world.put(waiting)
        [condition] = world.api.get(Pod, "web").status.conditions
        assert condition.observedGeneration == 3


class Baffled:
    """A filter that has a bug."""

    name = "Baffled"
    woken_by: tuple[Wake, ...] = ()

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> None:
        if pod.pod.metadata.name == "odd":
            raise ZeroDivisionError("division by zero")


async def test_a_pod_that_a_plugin_fails_on_keeps_nobody_else_waiting() -> None:
    world = World()
    world.scheduler = Scheduler(
        world.api.client, world.clock, Entropy(1), profile=lambda *known: ((Baffled(), 0), *default_profile(*known))
    )
    async with world.running():
        await world.put(node("a"), pod("odd"), pod("web"))
        assert world.condition("odd") == ("False", "SchedulerError", "division by zero")
        assert world.where("web") == "a"


async def test_pods_that_ask_more_than_can_be_counted_harm_nobody() -> None:
    async with World().running() as world:
        await world.put(node("a"), pod("vast", cpu="9E", memory="9E"), pod("web"))
        assert world.condition("vast")[2].startswith("0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.")
        assert world.where("web") == "a"


async def test_a_sidecar_that_shrinks_makes_room() -> None:
    async with World().running() as world:
        sidecars = [container(cpu="800m", restart="Always")]
        await world.put(node("a", cpu="1"), pod("first", initContainers=sidecars), pod("second", cpu="800m"))
        assert world.where("second") == ""
        shrunk = FakeApi._copy(world.api.get(Pod, "first"))
        shrunk.spec.initContainers[0].resources.requests = {"cpu": "100m"}
        await world.put(shrunk)
        assert world.where("second") == "a"


@pytest.mark.parametrize(
    ("first", "wanting", "later", "tries"),
    [
        pytest.param(node("a", cpu="1"), pod("web", cpu="2"), node("b", cpu="1"), 1, id="a node that is too small as well"),
        pytest.param(node("a", cpu="1"), pod("web", cpu="2"), node("b", taints="x=:NoSchedule"), 2, id="one that has the room"),
        pytest.param(
            node("a", taints="x=:NoSchedule"), pod("web"), node("b", taints="y=:NoExecute"), 1, id="another that it must not go to"
        ),
        pytest.param(node("a", unschedulable=True), pod("web"), node("b", unschedulable=True), 1, id="another cordoned node"),
    ],
)
async def test_a_new_node_wakes_whom_it_may_help(first: Node, wanting: Pod, later: Node, tries: int) -> None:
    async with World().running() as world:
        await world.put(first, wanting)
        await world.put(later)
        await world.clock.advance(60)
        assert sum(one.count for one in world.api.all(Event) if one.reason == "FailedScheduling") == tries


async def test_what_a_kubelet_reports_of_containers_wakes_nobody() -> None:
    async with World().running() as world:
        await world.put(node("a", cpu="1"), pod("first", cpu="800m"), pod("second", cpu="800m"))
        reported = FakeApi._copy(world.api.get(Pod, "first"))
        resources = reported.spec.containers[0].resources
        reported.status.containerStatuses = [ContainerStatus(name="app", resources=resources, allocatedResources=resources.requests)]
        await world.put(reported)
        await world.clock.advance(60)
        assert sum(one.count for one in world.api.all(Event) if one.reason == "FailedScheduling") == 1
