"""Nodes that fall silent, what becomes of their Pods, and the ranges that nodes get."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.coordination_v1 import Lease, LeaseSpec
from pilothouse.api.types.core_v1 import Container, Event, Node, NodeCondition, NodeSpec, Pod, PodCondition, PodSpec, Taint, Toleration
from pilothouse.controllers.framework.settings import Settings
from pilothouse.controllers.nodes import taints
from pilothouse.machinery import time
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing.controllers import Bench

TOLERATIONS = [
    Toleration(key="node.kubernetes.io/not-ready", operator="Exists", effect="NoExecute", tolerationSeconds=300),
    Toleration(key="node.kubernetes.io/unreachable", operator="Exists", effect="NoExecute", tolerationSeconds=300),
]


def node(name: str, *, zone: str = "", ready: str = "True") -> Node:
    one = Node(metadata=ObjectMeta(name=name, labels={"topology.kubernetes.io/zone": zone} if zone else {}))
    if ready:
        one.status.conditions = [NodeCondition(type="Ready", status=ready, reason="KubeletReady")]
    return one


def pod(name: str, on: str, tolerations: list[Toleration] | None = None, **meta: Any) -> Pod:
    spec = PodSpec(nodeName=on, containers=[Container(name="app", image="app")], tolerations=tolerations or [])
    one = Pod(metadata=ObjectMeta(name=name, namespace="default", **meta), spec=spec)
    one.status.conditions = [PodCondition(type="Ready", status="True")]
    return one


def beat(bench: Bench, *names: str) -> None:
    """A heartbeat of these nodes."""
    leases = {one.metadata.name: one for one in bench.transport.all(Lease)}
    stamp = time.micro_text(bench.clock)
    for name in names:
        if name in leases:
            bench.transport.change(leases[name], lambda one: setattr(one.spec, "renewTime", stamp))
        else:
            bench.transport.add(Lease(metadata=ObjectMeta(name=name, namespace="kube-node-lease"), spec=LeaseSpec(renewTime=stamp)))


async def live(bench: Bench, seconds: int, *names: str) -> None:
    """Time passes while these nodes beat every ten seconds."""
    for _ in range(seconds // 10):
        beat(bench, *names)
        await bench.advance(10)


def keys(one: Node, effect: str = "NoExecute") -> set[str]:
    return {taint.key.removeprefix("node.kubernetes.io/") for taint in one.spec.taints if taint.effect == effect}


def nodes(bench: Bench) -> dict[str, Node]:
    return {one.metadata.name: one for one in bench.transport.all(Node)}


async def test_a_silent_node_becomes_unknown_and_loses_its_pods_after_their_toleration() -> None:
    async with Bench("nodelifecycle", "taint-eviction-controller") as bench:
        bench.transport.add(node("alive"), node("silent"))
        bench.transport.add(pod("stays", "alive", TOLERATIONS), pod("goes", "silent", TOLERATIONS), pod("for-ever", "silent"))
        bench.transport.change(bench.transport.all(Pod)[2], lambda one: one.spec.tolerations.append(Toleration(operator="Exists")))
        await live(bench, 20, "alive", "silent")
        await live(bench, 30, "alive")
        assert taints.status_of(nodes(bench)["silent"], "Ready") == "True"
        await live(bench, 30, "alive")
        silent = nodes(bench)["silent"]
        assert [(one.type, one.status, one.reason) for one in silent.status.conditions[:2]] == [
            ("Ready", "Unknown", "NodeStatusUnknown"),
            ("MemoryPressure", "Unknown", "NodeStatusNeverUpdated"),
        ]
        assert keys(silent) == keys(silent, "NoSchedule") == {"unreachable"}
        assert taints.status_of(nodes(bench)["alive"], "Ready") == "True"
        readiness = {one.metadata.name: one.status.conditions[0].status for one in bench.transport.all(Pod)}
        assert readiness == {"stays": "True", "goes": "False", "for-ever": "False"}
        await live(bench, 270, "alive")
        assert "goes" in {one.metadata.name for one in bench.transport.all(Pod)}
        await live(bench, 40, "alive")
        assert {one.metadata.name for one in bench.transport.all(Pod)} == {"stays", "for-ever"}
        told = {(one.reason, one.message) for one in bench.transport.all(Event)}
        assert ("NodeNotReady", "Node silent status is now: NodeNotReady") in told
        assert ("TaintManagerEviction", "Marking for deletion Pod default/goes") in told


async def test_a_node_that_comes_back_in_time_keeps_its_pods() -> None:
    async with Bench("nodelifecycle", "taint-eviction-controller") as bench:
        bench.transport.add(node("alive"), node("away"), pod("one", "away", TOLERATIONS))
        await live(bench, 20, "alive", "away")
        await live(bench, 200, "alive")
        assert keys(nodes(bench)["away"]) == {"unreachable"}
        bench.transport.change(nodes(bench)["away"], lambda one: setattr(one.status.conditions[0], "status", "True"))
        await live(bench, 600, "alive", "away")
        assert nodes(bench)["away"].spec.taints == []
        assert len(bench.transport.all(Pod)) == 1
        assert "Cancelling deletion of Pod default/one" in {one.message for one in bench.transport.all(Event)}


async def test_a_deletion_that_is_planned_stays_where_it_is_when_the_taint_changes() -> None:
    def tainted(key: str) -> Any:
        return lambda one: setattr(one.spec, "taints", [Taint(key=f"node.kubernetes.io/{key}", effect="NoExecute")])

    async with Bench("taint-eviction-controller") as bench:
        [one, *_] = bench.transport.add(node("one"), pod("stays", "one", TOLERATIONS))
        one = bench.transport.change(one, tainted("not-ready"))
        await bench.advance(200)
        bench.transport.change(one, tainted("unreachable"))
        await bench.advance(99)
        assert len(bench.transport.all(Pod)) == 1
        await bench.advance(2)
        assert bench.transport.all(Pod) == []


async def test_a_pod_that_comes_to_tolerate_its_node_for_ever_stays() -> None:
    async with Bench("taint-eviction-controller") as bench:
        one = node("one")
        one.spec = NodeSpec(taints=[Taint(key="node.kubernetes.io/not-ready", effect="NoExecute")])
        [_, stays] = bench.transport.add(one, pod("stays", "one", TOLERATIONS))
        await bench.advance(200)
        bench.transport.change(stays, lambda it: setattr(it.spec, "tolerations", [Toleration(operator="Exists")]))
        await bench.advance(1000)
        assert len(bench.transport.all(Pod)) == 1
        assert {it.message for it in bench.transport.all(Event)} == {"Cancelling deletion of Pod default/stays"}


async def test_a_node_that_is_gone_is_told() -> None:
    async with Bench("nodelifecycle") as bench:
        [one] = bench.transport.add(node("one"))
        beat(bench, "one")
        await bench.advance(1)
        bench.transport.remove(one)
        await bench.advance(1)
        told = [(it.reason, it.message, it.involvedObject.name) for it in bench.transport.all(Event)]
        assert told == [
            ("RegisteredNode", "Node one event: Registered Node one in Controller", "one"),
            ("RemovingNode", "Node one event: Removing Node one from Controller", "one"),
        ]


async def test_when_all_are_silent_nobody_is_evicted() -> None:
    async with Bench("nodelifecycle", "taint-eviction-controller") as bench:
        bench.transport.add(node("a"), node("b"), pod("one", "a"))
        await live(bench, 10, "a", "b")
        await bench.advance(3600)
        assert all(taints.status_of(one, "Ready") == "Unknown" and keys(one) == set() for one in bench.transport.all(Node))
        assert all(keys(one, "NoSchedule") == {"unreachable"} for one in bench.transport.all(Node))
        assert len(bench.transport.all(Pod)) == 1


async def test_nodes_are_given_up_one_after_the_other_and_not_at_all_when_most_of_a_zone_fails() -> None:
    async with Bench("nodelifecycle") as bench:
        names = [f"n{number}" for number in range(5)]
        bench.transport.add(*(node(name, zone="z") for name in names))
        await live(bench, 10, *names)
        await live(bench, 60, *names[2:])
        await live(bench, 30, *names[2:])
        assert [keys(one) for one in nodes(bench).values()].count({"unreachable"}) == 2
        added = sorted(one.timeAdded for node in nodes(bench).values() for one in taints.no_execute(node))
        assert (time.parse(added[1]) - time.parse(added[0])).total_seconds() >= 10
        await live(bench, 120, names[4])
        assert [keys(one) for one in nodes(bench).values()].count({"unreachable"}) == 2


async def test_a_node_that_never_spoke_is_given_a_minute() -> None:
    async with Bench("nodelifecycle") as bench:
        bench.transport.add(node("new", ready=""))
        await bench.advance(50)
        assert nodes(bench)["new"].status.conditions == []
        await bench.advance(11)
        assert {one.reason for one in nodes(bench)["new"].status.conditions} == {"NodeStatusNeverUpdated"}


async def test_taints_follow_conditions_and_cordons_and_leave_others_alone() -> None:
    async with Bench("nodelifecycle") as bench:
        one = node("one")
        one.spec = NodeSpec(taints=[Taint(key="mine", effect="NoSchedule"), Taint(key="mine", effect="NoExecute")], unschedulable=True)
        one.status.conditions.append(NodeCondition(type="DiskPressure", status="True"))
        bench.transport.add(one)
        beat(bench, "one")
        await bench.advance(1)
        assert keys(nodes(bench)["one"], "NoSchedule") == {"mine", "disk-pressure", "unschedulable"}
        assert keys(nodes(bench)["one"]) == {"mine"}


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        pytest.param([], 0.0, id="none"),
        pytest.param([Toleration(operator="Exists")], None, id="everything, for ever"),
        pytest.param([Toleration(key="a", value="1", tolerationSeconds=5)], 5.0, id="equal is the default"),
        pytest.param([Toleration(key="a", value="2", tolerationSeconds=5)], 0.0, id="another value"),
        pytest.param([Toleration(key="a", operator="Exists", effect="NoSchedule")], 0.0, id="another effect"),
        pytest.param([Toleration(key="a", operator="Exists", tolerationSeconds=-1)], 0.0, id="negative is at once"),
    ],
)
def test_how_long_a_pod_tolerates_a_taint(tolerations: list[Toleration], expected: float | None) -> None:
    assert taints.seconds_tolerated(pod("p", "n", tolerations), [Taint(key="a", value="1", effect="NoExecute")]) == expected


async def test_pods_of_a_node_that_is_gone_are_removed_after_the_quarantine() -> None:
    async with Bench("pod-garbage-collector") as bench:
        [gone, *_] = bench.transport.add(node("gone"), node("here"), pod("a", "gone"), pod("b", "here"))
        await bench.advance(1)
        bench.transport.remove(gone)
        await bench.advance(39)
        assert len(bench.transport.all(Pod)) == 2
        await bench.advance(5)
        assert [one.metadata.name for one in bench.transport.all(Pod)] == ["b"]


async def test_what_never_got_a_node_and_is_terminating_is_removed() -> None:
    async with Bench("pod-garbage-collector") as bench:
        one = pod("a", "")
        one.metadata.deletionTimestamp = "2025-01-01T00:00:00Z"
        bench.transport.add(one)
        await bench.advance(1)
        assert bench.transport.all(Pod) == []


async def test_of_too_many_finished_pods_the_evicted_go_then_the_oldest() -> None:
    async with Bench("pod-garbage-collector", settings=Settings(terminated_pod_gc_threshold=2)) as bench:
        bench.transport.add(node("n"))
        for number in range(4):
            one = pod(f"p{number}", "n", creationTimestamp=f"2024-01-0{number + 1}T00:00:00Z")
            one.status.phase, one.status.reason = ("Failed", "Evicted") if number == 3 else ("Succeeded", "")
            bench.transport.add(one)
        await bench.advance(1)
        assert [one.metadata.name for one in bench.transport.all(Pod)] == ["p1", "p2"]


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        pytest.param("10.244.0.0/16", [["10.244.0.0/24"], ["10.244.1.0/24"], ["10.244.2.0/24"]], id="parts in order"),
        pytest.param("10.244.0.0/23", [["10.244.0.0/24"], ["10.244.1.0/24"], []], id="none left"),
        pytest.param("", [[], [], []], id="no range"),
        pytest.param(
            "10.0.0.0/16,fd00::/48",
            [["10.0.0.0/24", "fd00::/64"], ["10.0.1.0/24", "fd00:0:0:1::/64"], ["10.0.2.0/24", "fd00:0:0:2::/64"]],
            id="two families",
        ),
    ],
)
async def test_every_node_gets_a_range_of_its_own(cluster: str, expected: list[list[str]]) -> None:
    async with Bench("node-ipam-controller", settings=Settings(cluster_cidr=cluster)) as bench:
        bench.transport.hold()
        bench.transport.release(0)
        bench.transport.add(*(node(f"n{number}") for number in range(3)))
        bench.transport.release(3)
        await bench.advance(1)
        bench.transport.release()
        await bench.advance(1)
        assert [one.spec.podCIDRs for one in bench.transport.all(Node)] == expected
        assert [one.spec.podCIDR for one in bench.transport.all(Node)] == [one[0] if one else "" for one in expected]
