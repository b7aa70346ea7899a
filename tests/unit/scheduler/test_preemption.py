"""Who is evicted for whom, and what is said when nobody is."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import Event, Pod, PodCondition
from pilothouse.api.types.policy_v1 import PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta
from pilothouse.scheduler.facts import facts_of
from pilothouse.scheduler.framework.diagnosis import Diagnosis
from pilothouse.scheduler.plugins.defaultpreemption import DefaultPreemption
from pilothouse.scheduler.preemption import Candidate, preempt
from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import World
from tests.unit.scheduler.world import Board


def running(name: str, priority: int, cpu: str, start: str = "2025-01-01T00:00:00Z", **more: Any) -> Pod:
    made = pod(name, cpu=cpu, priority=priority, **more)
    made.status.startTime = start
    return made


def preempts(board: Board, wanting: Pod, *budgets: PodDisruptionBudget) -> tuple[Candidate | None, str]:
    facts = facts_of(wanting)
    diagnosis = Diagnosis(board.nodes.total)
    board.framework.feasible(facts, board.nodes, diagnosis)
    assert diagnosis.helpable is not None
    candidate, failure = preempt(facts, board.nodes, diagnosis.helpable, budgets, board.framework.trial)
    return candidate, failure.message()


CASES = [
    pytest.param({"a": [("low", 1, "2"), ("mid", 5, "2")]}, ("a", ["low"]), id="only as many as needed, the least important first"),
    pytest.param({"a": [("mid", 5, "4")], "b": [("low", 1, "4")]}, ("b", ["low"]), id="the node with the less important victim"),
    pytest.param({"a": [("l1", 1, "1"), ("l2", 1, "3")], "b": [("l3", 1, "4")]}, ("a", ["l2"]), id="what is spared stays"),
    pytest.param({"a": [("l1", 1, "2"), ("l2", 2, "2")], "b": [("l3", 2, "4")]}, ("a", ["l1"]), id="the lowest highest priority"),
    pytest.param({"a": [("peer", 10, "4")], "b": [("low", 1, "4")]}, ("b", ["low"]), id="equals are never victims"),
]


@pytest.mark.parametrize(("placed", "expected"), CASES)
def test_chooses_victims(placed: dict[str, list[tuple[str, int, str]]], expected: tuple[str, list[str]]) -> None:
    board = Board(*(node(name) for name in placed))
    for where, pods in placed.items():
        for name, priority, cpu in pods:
            board.place(running(name, priority, cpu), where)
    candidate, _ = preempts(board, pod("high", cpu="2", priority=10))
    assert candidate is not None
    assert (candidate.node, [one.pod.metadata.name for one in candidate.victims]) == expected


def test_spares_who_has_run_longer() -> None:
    board = Board(node("a"))
    board.place(running("old", 1, "2", "2024-01-01T00:00:00Z"), "a")
    board.place(running("young", 1, "2", "2025-01-01T00:00:00Z"), "a")
    candidate, _ = preempts(board, pod("high", cpu="2", priority=10))
    assert candidate is not None
    assert [one.pod.metadata.name for one in candidate.victims] == ["young"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param(LabelSelector(matchLabels={"app": "db"}), "b", id="of the Pod"),
        pytest.param(LabelSelector(matchLabels={"app": "web"}), "a", id="of others"),
        pytest.param(LabelSelector(), "a", id="of an empty selector, which here means nobody"),
        pytest.param(None, "a", id="of none"),
    ],
)
def test_rather_does_not_break_a_disruption_budget(selector: LabelSelector | None, expected: str) -> None:
    board = Board(node("a"), node("b"))
    board.place(running("guarded", 1, "4", labels={"app": "db"}), "a")
    board.place(running("free", 5, "4"), "b")
    budget = PodDisruptionBudget(
        metadata=ObjectMeta(name="db", namespace="default"),
        spec=PodDisruptionBudgetSpec(selector=selector),
        status=PodDisruptionBudgetStatus(disruptionsAllowed=0),
    )
    candidate, _ = preempts(board, pod("high", cpu="2", priority=10), budget)
    assert candidate is not None
    assert candidate.node == expected


def test_says_where_nobody_is_to_be_evicted() -> None:
    board = Board(node("a"), node("b", cpu="1"))
    board.place(running("peer", 10, "4"), "a")
    candidate, message = preempts(board, pod("high", cpu="2", priority=10))
    assert candidate is None
    assert message == (
        "0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
    )


async def test_a_more_important_pod_takes_the_room_of_a_lesser_one() -> None:
    async with World().running() as world:
        await world.put(node("a", cpu="1"), pod("low", cpu="800m", priority=1))
        assert world.where("low") == "a"
        await world.put(pod("high", cpu="800m", priority=10))
        assert not any(one.metadata.name == "low" for one in world.api.all(Pod))
        assert world.where("high") == "a"
        uid = world.api.get(Pod, "high").metadata.uid
        assert [one.message for one in world.api.all(Event) if one.reason == "Preempted"] == [f"Preempted by pod {uid} on node a"]


async def test_a_polite_pod_waits() -> None:
    async with World().running() as world:
        await world.put(node("a", cpu="1"), pod("low", cpu="800m", priority=1))
        await world.put(pod("high", cpu="800m", priority=10, preemptionPolicy="Never"))
        assert world.condition("high")[2] == (
            "0/1 nodes are available: 1 Insufficient cpu. "
            "no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never."
        )


async def test_room_that_is_being_cleared_is_not_given_to_a_lesser_pod() -> None:
    async with World().running() as world:
        waiting = pod("high", cpu="800m", priority=10)
        world.scheduler.cluster.nodes.nominate(facts_of(waiting), "a")
        await world.put(node("a", cpu="1"), pod("low", cpu="800m", priority=1))
        assert world.where("low") == ""


async def test_a_pod_that_cannot_be_helped_any_more_gives_its_room_up() -> None:
    async with World().running() as world:
        nominated = pod("high", cpu="2", priority=10)
        nominated.status.nominatedNodeName = "a"
        await world.put(node("a", cpu="1"), nominated, pod("low", cpu="800m", priority=1))
        assert world.api.get(Pod, "high").status.nominatedNodeName == ""
        assert world.where("low") == "a"


async def test_the_room_of_a_lesser_pod_that_waits_is_taken() -> None:
    async with World().running() as world:
        held = pod("held", cpu="800m", priority=1)
        held.metadata.finalizers = ["example.com/slow"]
        await world.put(node("a", cpu="1"), held)
        world.api.linger = True
        await world.put(pod("middle", cpu="800m", priority=5))
        assert world.api.get(Pod, "middle").status.nominatedNodeName == "a"
        await world.put(pod("high", cpu="800m", priority=10, preemptionPolicy="PreemptLowerPriority"))
        assert world.api.get(Pod, "high").status.nominatedNodeName == "a"
        assert world.api.get(Pod, "middle").status.nominatedNodeName == ""


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        pytest.param("PreemptionByScheduler", "preemption: not eligible due to a terminating pod on the nominated node.", id="a victim"),
        pytest.param("EvictionByEvictionAPI", None, id="somebody who goes for another reason"),
    ],
)
def test_waits_for_its_victims_and_for_nobody_else(reason: str, message: str | None) -> None:
    board = Board(node("a"))
    going = running("going", 1, "4")
    going.metadata.deletionTimestamp = "2025-01-01T00:00:00Z"
    going.status.conditions = [PodCondition(type="DisruptionTarget", status="True", reason=reason)]
    board.place(going, "a")
    wanting = facts_of(pod("high", cpu="2", priority=10))
    board.nodes.nominate(wanting, "a")
    diagnosis = Diagnosis(board.nodes.total)
    board.framework.feasible(wanting, board.nodes, diagnosis)
    result = DefaultPreemption(list).post_filter(wanting, board.nodes, diagnosis, board.framework.trial)
    assert (result.message or None) == message
    assert result.nominated == (None if message else "a")


def test_victims_leave_room_for_who_was_promised_it_before() -> None:
    board = Board(node("a"))
    board.place(running("low", 1, "4"), "a")
    board.nodes.nominate(facts_of(pod("first", cpu="3", priority=20)), "a")
    candidate, message = preempts(board, pod("high", cpu="2", priority=10))
    assert candidate is None
    assert message == "0/1 nodes are available: 1 Insufficient cpu."
