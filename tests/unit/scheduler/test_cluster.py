"""Property: whatever informers, bindings and clocks do, what the scheduler believes is what it would work out anew."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import Affinity, ContainerImage, Node, Pod, PodAntiAffinity
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.scheduler.cluster import ASSUMED_SECONDS, ClusterState
from pilothouse.scheduler.facts import PodFacts, facts_of
from pilothouse.scheduler.snapshot import NodeColumns
from tests.unit.scheduler.fake_api import FakeApi
from tests.unit.scheduler.objects import container, node, pod
from tests.unit.scheduler.test_columns import state

NAMES = [f"n{number}" for number in range(6)]
HISTORIES, STEPS = 40, 60


class History:
    """Random steps on a ClusterState, and beside it the plain truth: which nodes there are, and which Pod is where."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = VirtualClock()
        self.events: list[tuple[str, str]] = []
        self.believed = ClusterState(self.clock, lambda kind, what, old, new: self.events.append((kind, what)))
        self.believed.nodes = NodeColumns(2)  # small, so that it grows on the way
        self.nodes: dict[str, Node] = {}
        self.placed: dict[str, tuple[str, Pod]] = {}
        self.assumed: dict[str, tuple[str, PodFacts]] = {}
        self.expires: dict[str, float] = {}
        state(self.believed.nodes)  # asks for label and count columns: they are kept by deltas from the beginning

    async def step(self) -> None:
        steps = [self.node_comes, self.node_changes, self.node_goes, self.pod_comes, self.pod_changes, self.pod_goes]
        await self.chance.choice([*steps, self.assume, self.assume, self.bound, self.confirm, self.forget, self.time_passes])()

    def some_node(self, name: str) -> Node:
        pick = self.chance.choice
        return node(
            name,
            cpu=pick("124"),
            taints=pick(["", "gpu=yes:NoSchedule"]),
            labels=pick([{}, {"zone": "1"}, {"zone": "2"}]),
            unschedulable=pick([False, True]),
            images=pick([[], [ContainerImage(names=["app:1", "app@sha256:1"], sizeBytes=5)]]),
            resources=pick([{}, {"example.com/gpu": "1"}]),
        )

    def some_pod(self, **more: Any) -> Pod:
        pick = self.chance.choice
        one = pod("p", labels=pick([{}, {"app": "web"}]), containers=[container(cpu=pick(["1", "500m"]), ports=pick([(), (80,)]))], **more)
        one.spec.affinity = pick([None, Affinity(podAntiAffinity=PodAntiAffinity())])
        return one

    async def node_comes(self) -> None:
        absent = [name for name in NAMES if name not in self.nodes]
        if absent:
            name = self.chance.choice(absent)
            self.nodes[name] = self.some_node(name)
            self.believed.node_event(None, self.nodes[name])

    async def node_changes(self) -> None:
        for name in self.any(self.nodes):
            old, self.nodes[name] = self.nodes[name], self.some_node(name)
            self.believed.node_event(old, self.nodes[name])

    async def node_goes(self) -> None:
        for name in self.any(self.nodes):
            self.believed.node_event(self.nodes.pop(name), None)

    async def pod_comes(self) -> None:
        one = self.some_pod(nodeName=self.chance.choice(NAMES))
        self.placed[one.metadata.uid] = one.spec.nodeName, one
        self.believed.assigned(one)

    async def pod_changes(self) -> None:
        for uid in self.any(self.placed):
            where, old = self.placed[uid]
            new = FakeApi._copy(old)
            new.metadata.labels = self.chance.choice([{}, {"app": "web"}])
            new.spec.containers[0].resources.requests = {"cpu": self.chance.choice(["1", "250m"])}
            self.placed[uid] = where, new
            self.believed.assigned(new)

    async def pod_goes(self) -> None:
        for uid in self.any(self.placed):
            self.believed.released(self.placed.pop(uid)[1])

    async def assume(self) -> None:
        facts, where = facts_of(self.some_pod()), self.chance.choice(NAMES)
        self.assumed[facts.uid] = where, facts
        self.believed.assume(facts, where)

    async def bound(self) -> None:
        for uid in self.any({uid: one for uid, one in self.assumed.items() if uid not in self.expires}):
            self.expires[uid] = self.clock.monotonic() + ASSUMED_SECONDS
            self.believed.bound(self.assumed[uid][1])

    async def confirm(self) -> None:
        """The API shows it, on the node that was chosen or (somebody else bound it) on another."""
        for uid in self.any(self.assumed):
            where, facts = self.assumed.pop(uid)
            self.expires.pop(uid, None)
            shown = FakeApi._copy(facts.pod)
            shown.spec.nodeName = self.chance.choice([where, where, *NAMES])
            self.placed[uid] = shown.spec.nodeName, shown
            self.believed.assigned(shown)
            self.believed.bound(facts)  # the answer of the binding may come after the event

    async def forget(self) -> None:
        for uid in self.any(self.assumed):
            _, facts = self.assumed.pop(uid)
            self.expires.pop(uid, None)
            self.believed.forget(facts)

    async def time_passes(self) -> None:
        await self.clock.advance(self.chance.choice([1, 10, ASSUMED_SECONDS]))
        self.believed.drop_expired()
        for uid, expires in [*self.expires.items()]:
            if expires <= self.clock.monotonic():
                del self.assumed[uid], self.expires[uid]

    def any(self, choices: dict[str, Any]) -> list[str]:
        return [self.chance.choice([*choices])] if choices else []

    def anew(self) -> NodeColumns:
        made = NodeColumns()
        for one in self.nodes.values():
            made.set_node(one)
        for where, one in self.placed.values():
            made.add_pod(where, facts_of(one))
        for where, facts in self.assumed.values():
            made.add_pod(where, facts)
        return made


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_deltas_lead_to_what_building_anew_gives(seed: int) -> None:
    history = History(seed)
    for _ in range(STEPS):
        await history.step()
        assert state(history.believed.nodes) == state(history.anew())


async def test_a_heartbeat_of_a_node_wakes_nobody() -> None:
    history = History(0)
    old = node("a")
    history.believed.node_event(None, old)
    history.events.clear()
    new = FakeApi._copy(old)
    new.metadata.resourceVersion = "2"
    history.believed.node_event(old, new)
    assert history.events == []
