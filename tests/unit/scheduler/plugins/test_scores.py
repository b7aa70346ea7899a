"""Which node each scoring plugin prefers, with the numbers that upstream's formulas give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pilothouse.api.types.core_v1 import (
    Affinity,
    ContainerImage,
    Node,
    NodeAffinity,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PreferredSchedulingTerm,
    TopologySpreadConstraint,
    WeightedPodAffinityTerm,
)
from pilothouse.machinery.meta_v1 import LabelSelector, OwnerReference
from pilothouse.scheduler.facts import facts_of
from tests.unit.scheduler.objects import container, node, pod
from tests.unit.scheduler.world import Board, plugins

MIB = 1024 * 1024


def prefers(*terms: tuple[int, str, str]) -> Affinity:
    return Affinity(
        nodeAffinity=NodeAffinity(
            preferredDuringSchedulingIgnoredDuringExecution=[
                PreferredSchedulingTerm(
                    weight=weight,
                    preference=NodeSelectorTerm(matchExpressions=[NodeSelectorRequirement(key=key, operator="In", values=[value])]),
                )
                for weight, key, value in terms
            ]
        )
    )


def weighted(weight: int, app: str) -> list[WeightedPodAffinityTerm]:
    term = PodAffinityTerm(labelSelector=LabelSelector(matchLabels={"app": app}), topologyKey="kubernetes.io/hostname")
    return [WeightedPodAffinityTerm(weight=weight, podAffinityTerm=term)]


def image(name: str, megabytes: int) -> list[ContainerImage]:
    return [ContainerImage(names=[name], sizeBytes=megabytes * MIB)]


def owned(**arguments: Any) -> Pod:
    made = pod(labels={"app": "web"}, **arguments)
    made.metadata.ownerReferences = [OwnerReference(kind="ReplicaSet", name="web", uid="1", apiVersion="apps/v1", controller=True)]
    return made


CASES = [
    pytest.param(
        "NodeResourcesFit",
        [node("a", cpu="4", memory="8000Mi"), node("b", cpu="4", memory="8000Mi")],
        [(pod(cpu="2", memory="4000Mi"), "a")],
        pod(cpu="1", memory="2000Mi"),
        {"a": 25, "b": 75},
        id="the emptier node",
    ),
    pytest.param(
        "NodeResourcesBalancedAllocation",
        [node("a", cpu="4", memory="8000Mi"), node("b", cpu="8", memory="8000Mi")],
        [],
        pod(cpu="2", memory="4000Mi"),
        {"a": 100, "b": 87},
        id="CPU and memory in like proportion",
    ),
    pytest.param(
        "TaintToleration",
        [node("a"), node("b", taints="x=:PreferNoSchedule"), node("c", taints="x=:PreferNoSchedule,y=:PreferNoSchedule")],
        [],
        pod(),
        {"a": 100, "b": 50, "c": 0},
        id="taints that would rather not",
    ),
    pytest.param(
        "NodeAffinity",
        [node("a", labels={"disk": "ssd"}), node("b", labels={"disk": "ssd", "zone": "1"}), node("c")],
        [],
        pod(affinity=prefers((30, "disk", "ssd"), (10, "zone", "1"))),
        {"a": 75, "b": 100, "c": 0},
        id="preferred labels, by weight",
    ),
    pytest.param(
        "ImageLocality",
        [node("a", images=image("app:1", 1023)), node("b")],
        [],
        pod(),
        {"a": 50, "b": 0},
        id="an image that half of the nodes have",
    ),
    pytest.param(
        "ImageLocality",
        [node("a", images=image("app:1", 1023)), node("b")],
        [],
        pod(containers=[container(image="app"), container(image="app:1"), container(image="new:1")]),
        {"a": 16, "b": 0},
        id="beside one that no node has, and one without a tag",
    ),
    pytest.param(
        "InterPodAffinity",
        [node("a"), node("b")],
        [(pod(labels={"app": "db"}), "a")],
        pod(affinity=Affinity(podAffinity=PodAffinity(preferredDuringSchedulingIgnoredDuringExecution=weighted(5, "db")))),
        {"a": 100, "b": 0},
        id="near those it likes",
    ),
    pytest.param(
        "InterPodAffinity",
        [node("a"), node("b")],
        [(pod(labels={"app": "db"}), "a")],
        pod(affinity=Affinity(podAntiAffinity=PodAntiAffinity(preferredDuringSchedulingIgnoredDuringExecution=weighted(5, "db")))),
        {"a": 0, "b": 100},
        id="far from those it does not",
    ),
    pytest.param(
        "PodTopologySpread",
        [node("a"), node("b"), node("c")],
        [(owned(), "a"), (owned(), "a"), (owned(), "b")],
        owned(),
        {"a": 40, "b": 60, "c": 100},
        id="Pods of a controller over hosts, by default",
    ),
]


@pytest.mark.parametrize(("plugin", "nodes", "placed", "wanting", "expected"), CASES)
def test_scores(plugin: str, nodes: list[Node], placed: list[tuple[Pod, str]], wanting: Pod, expected: dict[str, int]) -> None:
    board = Board(*nodes)
    for one, where in placed:
        board.place(one, where)
    scorer = next(one for one, _ in plugins() if one.name == plugin)
    facts = facts_of(wanting)
    assert getattr(scorer, "pre_score", lambda *_: True)(facts, board.nodes, board.nodes.alive)
    rows = np.flatnonzero(board.nodes.alive)
    scores = scorer.normalize(scorer.score(facts, board.nodes)[rows])
    assert dict(zip((board.nodes.names[row] for row in rows), scores.tolist(), strict=True)) == expected


def test_a_domain_that_no_feasible_node_is_in_does_not_weigh() -> None:
    board = Board(*(node(name, labels={"zone": name}) for name in "abc"))
    labels = {"app": "web"}
    for _ in range(10):
        board.place(pod(labels=labels), "a")
    soft = TopologySpreadConstraint(
        topologyKey="zone", maxSkew=1, whenUnsatisfiable="ScheduleAnyway", labelSelector=LabelSelector(matchLabels=labels)
    )
    facts = facts_of(pod(labels=labels, topologySpreadConstraints=[soft]))
    scorer = next(one for one, _ in plugins() if one.name == "PodTopologySpread")
    feasible = board.nodes.alive.copy()
    feasible[board.nodes.rows["c"]] = False
    assert scorer.pre_score(facts, board.nodes, feasible)
    assert scorer.score(facts, board.nodes)[board.nodes.rows["a"]] == round(10 * math.log(2 + 2))
