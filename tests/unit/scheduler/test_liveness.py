"""Random histories of a cluster: no node is promised twice, and no Pod sleeps that would fit somewhere.

The second is what the plugins' `woken_by` promise: an event that may help a Pod wakes it. After each step the Pods get time for their
back-off, which is ten seconds at most; the five minutes after which everybody is woken anyway do not pass between two looks.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import (
    Affinity,
    Node,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    Toleration,
    TopologySpreadConstraint,
)
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.errors import conflict
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.scheduler.scheduler import Scheduler
from tests.unit.scheduler import oracle, oracle_topology
from tests.unit.scheduler.fake_api import FakeApi
from tests.unit.scheduler.objects import container, node, pod, taint
from tests.unit.scheduler.test_scheduler import World

STEPS = 40
APPS = ("a", "b")
ZONES = ("1", "2")


def term(app: str, key: str) -> PodAffinityTerm:
    return PodAffinityTerm(topologyKey=key, labelSelector=LabelSelector(matchLabels={"app": app}))


class Story:
    """What happens to a cluster, one step after the other, by chance."""

    def __init__(self, world: World, seed: int, *, priorities: Sequence[int] = (0,), choosy: bool = True) -> None:
        """`choosy`: Pods have wishes that look beyond a node."""
        self.api, self.chance, self.count = world.api, random.Random(seed), 0
        self.priorities, self.choosy = priorities, choosy

    def step(self) -> None:
        often = (self.add_pod, self.add_pod, self.add_pod, self.change_node, self.change_pod)
        self.chance.choice((*often, self.add_node, self.end_pod, self.finish_pod, self.drop_node))()

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}-{self.count}"

    def add_node(self) -> None:
        labels = {"zone": self.chance.choice(ZONES)} if self.chance.random() < 0.8 else {}
        size = {"cpu": self.chance.choice("124"), "pods": self.chance.choice("25")}
        self.api.put(node(self.name("node"), labels=labels, taints=self.chance.choice(("", "", "gpu=yes:NoSchedule")), **size))

    def add_pod(self) -> None:
        app, one_in = self.chance.choice(APPS), lambda count: self.chance.randrange(count) == 0
        spec: dict[str, Any] = {"priority": self.chance.choice(self.priorities)}
        if one_in(4):
            spec["nodeSelector"] = {"zone": self.chance.choice(ZONES)}
        if one_in(4):
            spec["tolerations"] = [Toleration(key="gpu", operator="Exists")]
        if one_in(4) and self.choosy:
            selector = LabelSelector(matchLabels={"app": app})
            spec["topologySpreadConstraints"] = [
                TopologySpreadConstraint(topologyKey="zone", maxSkew=1, whenUnsatisfiable="DoNotSchedule", labelSelector=selector)
            ]
        near, far = PodAffinity(), PodAntiAffinity()
        if one_in(5) and self.choosy:
            near.requiredDuringSchedulingIgnoredDuringExecution = [term(self.chance.choice(APPS), "zone")]
        if one_in(5) and self.choosy:
            far.requiredDuringSchedulingIgnoredDuringExecution = [term(self.chance.choice(APPS), "kubernetes.io/hostname")]
        ports = (80,) if one_in(4) else ()
        made = container(ports=ports, cpu=self.chance.choice(("100m", "900m", "1500m")))
        self.api.put(
            pod(self.name("pod"), labels={"app": app}, containers=[made], affinity=Affinity(podAffinity=near, podAntiAffinity=far), **spec)
        )

    def end_pod(self) -> None:
        found = self.api.all(Pod)
        if found:
            self.api.remove(self.chance.choice(found))

    def finish_pod(self) -> None:
        found = [one for one in self.api.all(Pod) if one.spec.nodeName]
        if found:
            one = FakeApi._copy(self.chance.choice(found))
            one.status.phase = "Succeeded"
            self.api.put(one)

    def change_pod(self) -> None:
        """Its labels, or that it is going, or how much it asks for (of one that has a node: less)."""
        found = self.api.all(Pod)
        if not found:
            return
        one = FakeApi._copy(self.chance.choice(found))
        how = self.chance.randrange(3)
        if how == 0:
            one.metadata.labels = {"app": self.chance.choice(APPS)}
        elif how == 1:
            one.spec.containers[0].resources.requests = {"cpu": "100m"}
        elif one.spec.nodeName:
            one.metadata.deletionTimestamp = "2025-01-01T00:00:00Z"
        self.api.put(one)

    def drop_node(self) -> None:
        """With its Pods, as the garbage collector would have it."""
        found = self.api.all(Node)
        if len(found) > 1:
            gone = self.chance.choice(found)
            self.api.remove(gone)
            for one in self.api.all(Pod):
                if one.spec.nodeName == gone.metadata.name:
                    self.api.remove(one)

    def change_node(self) -> None:
        found = self.api.all(Node)
        if not found:
            return
        one = FakeApi._copy(self.chance.choice(found))
        how = self.chance.randrange(4)
        if how == 0:
            one.spec.unschedulable = not one.spec.unschedulable
        elif how == 1:
            one.spec.taints = [] if one.spec.taints else [taint("gpu=yes:NoSchedule")]
        elif how == 2:
            one.metadata.labels = {**one.metadata.labels, "zone": self.chance.choice(ZONES)}
        else:
            one.status.allocatable = {**one.status.allocatable, "cpu": "8"}  # never less: what is there would be too much
        self.api.put(one)


def places(api: FakeApi) -> list[oracle.Place]:
    found = {one.metadata.name: oracle.Place(one) for one in api.all(Node)}
    for one in api.all(Pod):
        if one.spec.nodeName in found and one.status.phase != "Succeeded":  # it may have been bound to a node while that went
            found[one.spec.nodeName].pods.append(one)
    return [*found.values()]


def overfull(api: FakeApi) -> list[str]:
    wrong = []
    for place in places(api):
        used = sum(oracle.requests(one)["cpu"] for one in place.pods)
        if used > int(place.node.status.allocatable["cpu"]) * 1000 or len(place.pods) > int(place.node.status.allocatable["pods"]):
            wrong.append(place.node.metadata.name)
    return wrong


def forgotten(api: FakeApi) -> list[str]:
    """Pods without a node that would fit one, were the lesser Pods there gone."""
    every = places(api)

    def fits(one: Pod, here: oracle.Place) -> bool:
        here = oracle.Place(here.node, [other for other in here.pods if (other.spec.priority or 0) >= (one.spec.priority or 0)])
        apart = oracle_topology.too_uneven(one, here, every) or oracle_topology.unfriendly(one, here, every)
        return not apart and not oracle.why_not(one, here)

    waiting = [one for one in api.all(Pod) if not one.spec.nodeName]
    return [one.metadata.name for one in waiting if any(fits(one, here) for here in every)]


@pytest.mark.parametrize("seed", range(25))
async def test_nobody_is_forgotten_and_nothing_given_twice(seed: int) -> None:
    world = World(seed)
    async with world.running():
        story = Story(world, seed)
        for _ in range(STEPS):
            story.step()
            await world.clock.advance(11)
            assert not overfull(world.api)
            assert not forgotten(world.api)


@pytest.mark.parametrize("slow", [pytest.param(False, id="victims go at once"), pytest.param(True, id="victims take their time")])
@pytest.mark.parametrize("seed", range(15))
async def test_the_more_important_find_room(seed: int, slow: bool) -> None:
    world = World(seed)
    world.api.linger = slow
    async with world.running():
        story = Story(world, seed, priorities=(0, 0, 10, 20), choosy=False)
        for _ in range(STEPS):
            story.step()
            await world.clock.advance(11)
            for one in [one for one in world.api.all(Pod) if one.metadata.deletionTimestamp]:
                world.api.remove(one)
            await world.clock.advance(11)
            assert not overfull(world.api)
            assert not forgotten(world.api)


@pytest.mark.parametrize("seed", range(10))
async def test_a_scheduler_that_begins_anew_takes_over_whatever_was_under_way(seed: int) -> None:
    """It is ended at any moment, bindings fail now and then, and much happens at once."""
    world = World(seed)
    story = Story(world, seed)
    for round in range(6):
        world.scheduler = Scheduler(world.api.client, world.clock, Entropy(seed + round))
        async with world.running():
            for _ in range(STEPS // 4):
                world.api.refuse_bindings = conflict("pods", "", "it", "try again") if story.chance.random() < 0.3 else None
                for _ in range(story.chance.randrange(1, 4)):
                    story.step()
                await world.clock.advance(story.chance.choice((0, 0, 0.5, 3)))
                assert not overfull(world.api)
    world.api.refuse_bindings = None
    world.scheduler = Scheduler(world.api.client, world.clock, Entropy(seed))
    async with world.running():
        await world.clock.advance(11)
        assert not overfull(world.api)
        assert not forgotten(world.api)
