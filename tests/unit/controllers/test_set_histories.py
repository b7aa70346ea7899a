"""Whatever happens to their Pods, nodes and controllers: sets keep within their limits, and have in the end what they ask for.

- A StatefulSet has one Pod a number; in order, no number is started while one below it is missing.
- A DaemonSet has one Pod a node (two while one surges).
- Where Pods do not die by themselves, a rollout takes down no more of them than may be unavailable.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given

from pilothouse.api.types.apps_v1 import ControllerRevision, DaemonSet, StatefulSet
from pilothouse.api.types.core_v1 import Node, Pod
from pilothouse.controllers import pods
from pilothouse.controllers.builtin.daemonset import node_of
from pilothouse.controllers.builtin.statefulset import REVISION
from pilothouse.controllers.histories import template_of
from pilothouse.machinery import codec
from tests.unit.controllers.faults import PROFILE, Steps, histories, step
from tests.unit.controllers.kubelets import DEATHS, STARTS, Kubelets, template

IMAGE = step("image", 1, 3)
SCALE = step("scale", 0, 5)
NODE = step("node", 0, 4)
META = {"name": "s", "namespace": "default", "uid": "s-uid"}
LIMIT = 2


class Sets(Kubelets):
    """One StatefulSet or DaemonSet."""

    kind: type[Any]

    async def live(self, steps: Steps) -> None:
        self.transport.add(self.wanted)
        await self.advance(0)
        await super().live(steps)

    @property
    def wanted(self) -> Any:
        raise NotImplementedError

    @property
    def set(self) -> Any:
        [one] = self.transport.all(self.kind)
        return one

    @property
    def available(self) -> int:
        return sum(map(pods.is_ready, self.active))

    def edit(self, change: Any) -> None:
        self.transport.change(self.set, change)

    async def _image(self, number: int) -> None:
        self.edit(lambda one: setattr(one.spec.template.spec.containers[0], "image", f"app:{number}"))

    def check_end(self) -> None:
        """All Pods have the template asked for, and no more revisions are kept than that one and the limit."""
        image = self.set.spec.template.spec.containers[0].image
        assert {one.spec.containers[0].image for one in self.pods} <= {image}
        revisions = self.transport.all(ControllerRevision)
        assert len(revisions) <= LIMIT + 1
        newest = max(revisions, key=lambda one: one.revision)
        assert template_of(newest)["spec"]["containers"][0]["image"] == image
        names = {newest.metadata.name, newest.metadata.labels.get(REVISION)}
        assert {one.metadata.labels[REVISION] for one in self.pods} <= names


class Stateful(Sets):
    """A StatefulSet of three."""

    kind = StatefulSet
    held = (Pod, StatefulSet)

    def __init__(self, **spec: Any) -> None:
        super().__init__("statefulset")
        self._spec = spec

    @property
    def wanted(self) -> StatefulSet:
        base = {"replicas": 3, "serviceName": "s", "podManagementPolicy": "OrderedReady", "updateStrategy": {"type": "RollingUpdate"}}
        spec = base | {"revisionHistoryLimit": LIMIT, "selector": {"matchLabels": {"app": "web"}}} | self._spec
        one = codec.from_dict({"metadata": META, "spec": spec}, StatefulSet)
        one.spec.template = template()
        return one

    @property
    def numbers(self) -> list[int]:
        return sorted(int(one.metadata.name.rpartition("-")[2]) for one in self.pods)

    def check(self) -> None:
        assert len({one.metadata.name for one in self.pods}) == len(self.pods)

    async def _scale(self, number: int) -> None:
        self.edit(lambda one: setattr(one.spec, "replicas", number))

    async def wait_until_idle(self) -> None:
        await self.faults_end()
        await self.let_run(60, 20)

    def check_end(self) -> None:
        super().check_end()
        one = self.set
        assert self.numbers == [*range(one.spec.replicas)]
        status, count = one.status, one.spec.replicas
        assert (status.replicas, status.readyReplicas, status.availableReplicas, status.updatedReplicas) == (count,) * 4
        assert status.currentRevision == status.updateRevision
        assert status.currentReplicas == count
        assert status.observedGeneration == one.metadata.generation


class Careful(Stateful):
    """Its Pods do not die by themselves: what goes is taken down by the controller."""

    def check(self) -> None:
        super().check()
        missing = {*range(max(self.numbers, default=0))} - {*self.numbers}
        assert len(missing) <= 1, "more than one was taken down at once, or one was started before another"


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
@PROFILE
@given(steps=histories(*STARTS, *DEATHS, IMAGE, SCALE))
def test_statefulsets(policy: str, steps: Steps) -> None:
    async def told() -> None:
        async with Stateful(podManagementPolicy=policy) as one:
            await one.live(steps)
            await one.wait_until_idle()
            one.check_end()

    asyncio.run(told())


@PROFILE
@given(steps=histories(*STARTS, IMAGE, SCALE))
def test_statefulsets_are_started_and_rolled_out_in_order(steps: Steps) -> None:
    async def told() -> None:
        async with Careful() as one:
            await one.live(steps)
            await one.wait_until_idle()
            one.check_end()

    asyncio.run(told())


class Daemons(Sets):
    """A DaemonSet on up to five nodes, three of which are there from the beginning."""

    kind = DaemonSet
    held = (Pod, DaemonSet, Node)

    def __init__(self, **rolling: Any) -> None:
        super().__init__("daemonset")
        self._rolling = rolling

    @property
    def wanted(self) -> DaemonSet:
        spec = {
            "selector": {"matchLabels": {"app": "web"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": self._rolling},
            "revisionHistoryLimit": LIMIT,
        }
        one = codec.from_dict({"metadata": META, "spec": spec}, DaemonSet)
        one.spec.template = template()
        return one

    async def live(self, steps: Steps) -> None:
        for number in range(3):
            await self._node(number)
        await super().live(steps)

    def check(self) -> None:
        most = Counter(map(node_of, self.active)).most_common(1)
        assert not most or most[0][1] <= (2 if self._rolling.get("maxSurge") else 1), "too many on a node"

    async def _node(self, number: int) -> None:
        """It comes, or goes for good: its Pods go with it, as the garbage collector of Pods has it."""
        name = f"node-{number}"
        for one in self.transport.all(Node):
            if one.metadata.name == name:
                self.transport.remove(one)
                for pod in [each for each in self.pods if each.spec.nodeName == name]:
                    self.transport.remove(pod)
                return
        self.transport.add(codec.from_dict({"metadata": {"name": name}}, Node))

    def become_ready(self, pod: Pod) -> None:
        if node_of(pod) in {one.metadata.name for one in self.transport.all(Node)}:
            super().become_ready(pod)
            pod.spec.nodeName = node_of(pod)

    async def wait_until_idle(self) -> None:
        await self.faults_end()
        await self.let_run(40, 60)

    def check_end(self) -> None:
        super().check_end()
        names = sorted(one.metadata.name for one in self.transport.all(Node))
        assert sorted(map(node_of, self.pods)) == names
        status, count = self.set.status, len(names)
        counts = status.desiredNumberScheduled, status.currentNumberScheduled, status.numberReady, status.numberAvailable
        assert (*counts, status.updatedNumberScheduled) == (count,) * 5
        assert (status.numberMisscheduled, status.numberUnavailable) == (0, 0)
        assert status.observedGeneration == self.set.metadata.generation


ROLLINGS = [
    pytest.param({"maxUnavailable": 1, "maxSurge": 0}, id="one unavailable"),
    pytest.param({"maxUnavailable": 0, "maxSurge": 1}, id="one more"),
]


@pytest.mark.parametrize("rolling", ROLLINGS)
@PROFILE
@given(steps=histories(*STARTS, *DEATHS, IMAGE, NODE))
def test_daemonsets(rolling: dict[str, int], steps: Steps) -> None:
    async def told() -> None:
        async with Daemons(**rolling) as one:
            await one.live(steps)
            await one.wait_until_idle()
            one.check_end()

    asyncio.run(told())


@pytest.mark.parametrize("rolling", ROLLINGS)
@PROFILE
@given(steps=histories(*STARTS, IMAGE))
def test_a_rollout_of_daemons_takes_down_no_more_than_may_be_unavailable(rolling: dict[str, int], steps: Steps) -> None:
    class Careful(Daemons):
        def check(self) -> None:
            super().check()
            if self.serving:
                served = {node_of(one) for one in self.active if pods.is_ready(one)}
                assert len(served) >= 3 - rolling["maxUnavailable"]

        serving = False

    async def told() -> None:
        async with Careful(**rolling) as one:
            await one.live([])
            await one.let_run(3, 10)
            one.serving = True
            await Kubelets.live(one, steps)
            await one.wait_until_idle()
            one.check_end()

    asyncio.run(told())
