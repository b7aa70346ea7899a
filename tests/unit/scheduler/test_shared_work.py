"""Equal Pods share work, and Pods with equal terms are one: nothing of that may change a choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilothouse.api.types.core_v1 import (
    Affinity,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    TopologySpreadConstraint,
    WeightedPodAffinityTerm,
)
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.scheduler import podcounts
from pilothouse.scheduler.facts import PodFacts, facts_of
from pilothouse.scheduler.framework.runtime import Framework
from pilothouse.scheduler.snapshot import NodeColumns
from tests.unit.scheduler.objects import columns, node, pod
from tests.unit.scheduler.world import Board, plugins

RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HOST, ZONE = "kubernetes.io/hostname", "zone"


def term(app: str, key: str = HOST) -> PodAffinityTerm:
    return PodAffinityTerm(labelSelector=LabelSelector(matchLabels={"app": app}), topologyKey=key)


def apart(app: str, key: str = HOST) -> Affinity:
    return Affinity(podAntiAffinity=PodAntiAffinity(requiredDuringSchedulingIgnoredDuringExecution=[term(app, key)]))


def near(app: str, key: str = ZONE) -> Affinity:
    return Affinity(podAffinity=PodAffinity(requiredDuringSchedulingIgnoredDuringExecution=[term(app, key)]))


def liking(app: str, weight: int = 50) -> Affinity:
    wish = WeightedPodAffinityTerm(weight=weight, podAffinityTerm=term(app, ZONE))
    return Affinity(podAffinity=PodAffinity(preferredDuringSchedulingIgnoredDuringExecution=[wish]))


def spread(app: str, how: str = "DoNotSchedule") -> list[TopologySpreadConstraint]:
    selector = LabelSelector(matchLabels={"app": app})
    return [TopologySpreadConstraint(labelSelector=selector, maxSkew=1, topologyKey=ZONE, whenUnsatisfiable=how)]


FORMS: tuple[Callable[[], Pod], ...] = (
    lambda: pod(labels={"app": "plain"}, cpu="500m"),
    lambda: pod(labels={"app": "a"}, affinity=apart("a")),
    lambda: pod(labels={"app": "a", "pod": "unique"}, affinity=apart("a")),
    lambda: pod(labels={"app": "b"}, affinity=apart("plain", ZONE)),
    lambda: pod(labels={"app": "c"}, affinity=near("c")),
    lambda: pod(labels={"app": "d"}, affinity=liking("plain")),
    lambda: pod(labels={"app": "plain"}, topologySpreadConstraints=spread("plain")),
    lambda: pod(labels={"app": "e"}, topologySpreadConstraints=spread("e", "ScheduleAnyway")),
)


class Forgetful(Framework):
    """Works everything out each time."""

    def _recall(self, pod: PodFacts, nodes: NodeColumns) -> None:
        return None


@RELAXED
@given(
    st.lists(st.sampled_from(("", "1", "2", "3")), min_size=1, max_size=6), st.lists(st.integers(0, len(FORMS) - 1), max_size=24), st.data()
)
def test_pods_that_look_at_others_go_where_they_would_without_shared_work(zones: list[str], kinds: list[int], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.integers(0, 23), max_size=4))
    results = []
    for kind in (Framework, Forgetful):
        labels = [{ZONE: zone} if zone else {} for zone in zones]
        nodes = columns(*(node(f"n{place}", cpu="2", labels=each) for place, each in enumerate(labels)))
        framework = kind(plugins(), Entropy(7))
        chosen: list[tuple[str, PodFacts]] = []
        for place, form in enumerate(sorted(kinds)):
            facts = facts_of(FORMS[form]())
            choice = framework.choose(facts, nodes)
            chosen.append((choice.node, facts))
            if choice.node:
                nodes.add_pod(choice.node, facts)
            if place in gone and chosen[0][0]:
                nodes.remove_pod(*chosen[0])
        results.append([name for name, _ in chosen])
    assert results[0] == results[1]


def test_a_pod_for_which_room_is_cleared_keeps_others_away_by_its_terms() -> None:
    board = Board(node("a"), node("b"))
    waiting = facts_of(pod(labels={"app": "x"}, affinity=apart("web"), priority=10))
    board.nodes.nominate(waiting, "a")
    assert board.feasible(pod(labels={"app": "web"}))[0] == {"b"}


def test_in_a_window_a_removed_pod_no_longer_keeps_others_away() -> None:
    board = Board(node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "1"}))
    guard = facts_of(pod(labels={"app": "guard"}, affinity=apart("web", ZONE)))
    board.nodes.add_pod("a", guard)
    window = board.nodes.window(board.nodes.rows["a"])
    web = facts_of(pod(labels={"app": "web"}))
    assert board.framework.trial(web, window)
    window.remove_pod("a", guard)
    assert not board.framework.trial(web, window)


@pytest.mark.parametrize("count", [3, podcounts.COLUMNS_LIMIT + 5], ids=["few predicates", "more than are kept"])
def test_counts_are_right_after_any_deltas(count: int) -> None:
    nodes = columns(node("a"), node("b"))
    pods = [facts_of(pod(labels={"app": f"app-{number % count}", "own": str(number)})) for number in range(count + 4)]

    def counted(number: int) -> list[int]:
        def holds(other: Pod) -> bool:
            return other.metadata.labels["app"] == f"app-{number}"

        return [int(nodes.pods_matching(("app", number), holds)[nodes.rows[name]]) for name in ("a", "b")]

    assert counted(0) == [0, 0]
    for number, facts in enumerate(pods):
        nodes.add_pod("ab"[number % 2], facts)
    for number in range(count):
        assert sum(counted(number)) == sum(1 for place in range(len(pods)) if place % count == number)
    nodes.remove_pod("a", pods[0])
    left = [place for place in range(1, len(pods)) if place % count == 0]
    assert counted(0) == [sum(1 for place in left if place % 2 == 0), sum(1 for place in left if place % 2 == 1)]


def test_pods_with_equal_terms_are_one_and_nothing_is_left_of_them() -> None:
    nodes = columns(node("a"))
    pods: list[Any] = [facts_of(pod(labels={"app": "a", "own": str(number)}, affinity=apart("a"))) for number in range(5)]
    for facts in pods:
        nodes.add_pod("a", facts)
    assert [int(group.total) for group in nodes.counts.affinities.values()] == [5]
    for facts in pods:
        nodes.remove_pod("a", facts)
    assert not nodes.counts.affinities
    assert not np.any(nodes.requested)
