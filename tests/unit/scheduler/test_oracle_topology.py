"""Properties: spreading and affinity on columns are what a slow, straightforward implementation says of the objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilothouse.api.types.core_v1 import (
    Affinity,
    Node,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    TopologySpreadConstraint,
    WeightedPodAffinityTerm,
)
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.labels import EVERYTHING
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.scheduler.facts import PodFacts, facts_of
from pilothouse.scheduler.framework.runtime import Framework
from pilothouse.scheduler.plugins.interpodaffinity import InterPodAffinity
from pilothouse.scheduler.plugins.podtopologyspread import PodTopologySpread
from pilothouse.scheduler.plugins.prioritysort import PrioritySort
from pilothouse.scheduler.snapshot import NodeColumns
from tests.unit.scheduler import oracle_topology as oracle
from tests.unit.scheduler.objects import columns, node, pod
from tests.unit.scheduler.oracle import Place
from tests.unit.scheduler.world import NAMESPACES

CHECKED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
WEIGHT = 2


def some(*values: Any) -> Any:
    return st.sampled_from(values)


keys = some("zone", "rack", "kubernetes.io/hostname")
selectors = some(LabelSelector(matchLabels={"app": "a"}), LabelSelector(matchLabels={"app": "b"}), LabelSelector(), None)
spreads = st.builds(
    TopologySpreadConstraint,
    topologyKey=keys,
    maxSkew=st.integers(1, 3),
    whenUnsatisfiable=some("DoNotSchedule", "ScheduleAnyway"),
    labelSelector=selectors,
    matchLabelKeys=some([], ["version"]),
    minDomains=some(None, 2, 3),
    nodeAffinityPolicy=some("", "Honor", "Ignore"),
    nodeTaintsPolicy=some("", "Honor"),
)
terms = st.builds(
    PodAffinityTerm,
    topologyKey=keys,
    labelSelector=selectors,
    namespaces=some([], ["other"]),
    namespaceSelector=some(None, None, LabelSelector(), LabelSelector(matchLabels={"team": "b"})),
)
weighted = st.builds(WeightedPodAffinityTerm, weight=st.integers(1, 100), podAffinityTerm=terms)


def affinity(kind: Any) -> Any:
    return st.none() | st.builds(
        kind,
        requiredDuringSchedulingIgnoredDuringExecution=st.lists(terms, max_size=2),
        preferredDuringSchedulingIgnoredDuringExecution=st.lists(weighted, max_size=2),
    )


nodes = st.lists(
    st.builds(
        dict,
        labels=st.fixed_dictionaries({}, optional={"zone": some("1", "2", "3"), "rack": some("x", "y")}),
        taints=some("", "", "gpu=yes:NoSchedule"),
    ),
    min_size=1,
    max_size=5,
)
pods = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.builds(
            dict,
            namespace=some(*NAMESPACES),
            labels=st.fixed_dictionaries({"app": some("a", "b")}, optional={"version": some("1", "2")}),
            nodeSelector=some({}, {}, {"zone": "1"}),
            topologySpreadConstraints=st.lists(spreads, max_size=2, unique_by=lambda one: (one.topologyKey, one.whenUnsatisfiable)),
            affinity=st.none() | st.builds(Affinity, podAffinity=affinity(PodAffinity), podAntiAffinity=affinity(PodAntiAffinity)),
        ),
    ),
    min_size=1,
    max_size=6,
)


SPREAD, AFFINITY = PodTopologySpread(lambda _: EVERYTHING), InterPodAffinity(NAMESPACES.__getitem__)


def framework(seed: int) -> Framework:
    """Without NodeAffinity and taints, that nodes which a policy leaves out can still be chosen."""
    return Framework([(PrioritySort(), 0), (SPREAD, WEIGHT), (AFFINITY, WEIGHT)], Entropy(seed))


def why_not(one: Pod, here: Place, places: list[Place]) -> str:
    return oracle.too_uneven(one, here, places) or oracle.unfriendly(one, here, places)


@CHECKED
@given(nodes, pods, st.integers(0, 9), st.data())
def test_a_pod_goes_where_the_oracle_finds_it_best_or_is_told_what_it_says(
    some_nodes: list[Any], wanting: list[Any], seed: int, data: st.DataObject
) -> None:
    made: list[Node] = [node(f"n{place}", **drawn) for place, drawn in enumerate(some_nodes)]
    snapshot, chooser = columns(*made), framework(seed)
    places = {one.metadata.name: Place(one) for one in made}
    for number, drawn in enumerate(drawn for copies, drawn in wanting for _ in range(copies)):  # equal Pods share work
        one: Pod = pod(f"p{number}", **drawn)
        facts = facts_of(one)
        choice, every = chooser.choose(facts, snapshot), [*places.values()]
        reasons = {name: why_not(one, place, every) for name, place in places.items()}
        fitting = [places[name] for name, reason in reasons.items() if not reason]
        if not fitting:
            assert choice.diagnosis is not None
            assert dict(choice.diagnosis.reasons) == {reason: [*reasons.values()].count(reason) for reason in reasons.values()}
            continue
        expected = [
            oracle.evenness(one, fitting, every) if oracle.specs(one, "ScheduleAnyway") else [0] * len(fitting),
            oracle.liking(one, fitting, every),
        ]
        assert [scores(plugin, facts, snapshot, fitting) for plugin in (SPREAD, AFFINITY)] == expected
        totals = {place.node.metadata.name: sum(said) for place, said in zip(fitting, zip(*expected, strict=True), strict=True)}
        assert choice.node in [name for name, total in totals.items() if total == max(totals.values())], totals
        snapshot.add_pod(choice.node, facts)
        places[choice.node].pods.append(one)
        leave(snapshot, places, data)


def scores(plugin: Any, facts: PodFacts, snapshot: NodeColumns, fitting: list[Place]) -> list[int]:
    rows = [snapshot.rows[place.node.metadata.name] for place in fitting]
    feasible = np.zeros_like(snapshot.alive)
    feasible[rows] = True
    if not plugin.pre_score(facts, snapshot, feasible):
        return [0] * len(fitting)
    found: list[int] = plugin.normalize(plugin.score(facts, snapshot)[rows]).tolist()
    return found


def leave(snapshot: NodeColumns, places: dict[str, Place], data: st.DataObject) -> None:
    """Now and then a Pod ends."""
    placed = [(name, one) for name, place in places.items() for one in place.pods]
    gone = data.draw(st.sampled_from([None, None, *placed]))
    if gone is not None:
        name, one = gone
        snapshot.remove_pod(name, facts_of(one))
        places[name].pods.remove(one)
