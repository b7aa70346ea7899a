"""Properties: columns agree with a slow row-by-row reference, deltas with building anew, shared work with work done again."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilothouse.api.core.tolerations import tolerations_tolerate_taint
from pilothouse.api.types.core_v1 import Node, Pod, Toleration
from pilothouse.kit.entropy import Entropy
from pilothouse.scheduler.facts import PodFacts, facts_of
from pilothouse.scheduler.framework.runtime import Framework
from pilothouse.scheduler.snapshot import NodeColumns
from tests.unit.scheduler.objects import columns, container, node, pod
from tests.unit.scheduler.world import Board, plugins

RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

nodes_drawn = st.lists(
    st.builds(
        lambda cpu, memory, pods, taints, zone, cordoned: {
            "cpu": cpu,
            "memory": memory,
            "pods": pods,
            "taints": taints,
            "labels": {"zone": zone} if zone else {},
            "unschedulable": cordoned,
        },
        st.sampled_from(["1", "2", "4"]),
        st.sampled_from(["1Gi", "4Gi"]),
        st.sampled_from(["2", "5"]),
        st.sampled_from(["", "gpu=yes:NoSchedule", "old=:NoExecute,gpu=yes:PreferNoSchedule"]),
        st.sampled_from(["", "1", "2"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)
pods_drawn = st.lists(
    st.fixed_dictionaries(
        {
            "cpu": st.sampled_from(["", "500m", "1"]),
            "memory": st.sampled_from(["", "512Mi"]),
            "ports": st.sampled_from([(), (80,), (81,)]),
            "zone": st.sampled_from(["", "1"]),
            "tolerates": st.booleans(),
        }
    ),
    max_size=14,
)


def made_node(place: int, drawn: dict[str, Any]) -> Node:
    return node(f"n{place}", **drawn)


def made_pod(place: int, drawn: dict[str, Any]) -> Pod:
    requests = {key: drawn[key] for key in ("cpu", "memory") if drawn[key]}
    return pod(
        f"p{place}",
        containers=[container(ports=drawn["ports"], **requests)],
        nodeSelector={"zone": drawn["zone"]} if drawn["zone"] else {},
        tolerations=[Toleration(operator="Exists")] if drawn["tolerates"] else [],
    )


def fits_by_hand(one: PodFacts, where: Node, there: list[PodFacts]) -> bool:
    """The filters that look at one node only, said slowly."""
    spec = one.pod.spec
    allocatable = facts_of(
        pod(containers=[container(**{"cpu": where.status.allocatable["cpu"], "memory": where.status.allocatable["memory"]})])
    )
    for name, wanted in one.requests.items():
        used = sum(other.requests.get(name, 0) for other in there)
        if wanted and wanted + used > allocatable.requests[name]:
            return False
    if len(there) + 1 > int(where.status.allocatable["pods"]):
        return False
    if where.spec.unschedulable and not spec.tolerations:
        return False
    if any(taint.effect != "PreferNoSchedule" and not tolerations_tolerate_taint(spec.tolerations, taint) for taint in where.spec.taints):
        return False
    if any(where.metadata.labels.get(key) != value for key, value in spec.nodeSelector.items()):
        return False
    return not any(port in other.host_ports for other in there for port in one.host_ports)


@RELAXED
@given(nodes_drawn, pods_drawn)
def test_masks_agree_with_a_reference_that_goes_row_by_row(some: list[Any], pods: list[Any]) -> None:
    nodes = [made_node(place, drawn) for place, drawn in enumerate(some)]
    board = Board(*nodes)
    there: dict[str, list[PodFacts]] = {one.metadata.name: [] for one in nodes}
    for place, drawn in enumerate(pods):
        wanting = made_pod(place, drawn)
        one = facts_of(wanting)
        feasible, _ = board.feasible(wanting)
        assert feasible == {each.metadata.name for each in nodes if fits_by_hand(one, each, there[each.metadata.name])}
        if feasible:
            chosen = min(feasible)
            board.nodes.add_pod(chosen, one)
            there[chosen].append(one)


def state(nodes: NodeColumns) -> Any:
    """What columns say, without the order of their rows."""

    def amounts(row: Any) -> dict[str, int]:
        """What is not zero: a resource that was once heard of keeps its column."""
        return {name: int(row[place]) for name, place in nodes.column.items() if row[place]}

    zones, web = nodes.label("zone"), nodes.pods_matching("web", is_web)
    free = ~nodes.alive
    assert not any(
        column[free].any() for column in (nodes.allocatable, nodes.requested, nodes.nonzero, nodes.unschedulable, nodes.taint_set)
    )
    assert nodes.total == int(nodes.alive.sum()) == len(nodes.rows)
    return (
        {
            name: (
                amounts(nodes.allocatable[row]),
                amounts(nodes.requested[row]),
                nodes.nonzero[row].tolist(),
                bool(nodes.unschedulable[row]),
                [(one.key, one.value, one.effect) for one in nodes.taint_sets[nodes.taint_set[row]]],
                sorted(nodes.pods[row]),
                zones.values[zones.ids[row]] if zones.ids[row] >= 0 else None,
                int(web[row]),
            )
            for name, row in nodes.rows.items()
        },
        nodes.ports,
        nodes.images,
        {
            key: {name: int(group.counts[row]) for name, row in nodes.rows.items() if group.counts[row]}
            for key, group in nodes.counts.affinities.items()
        },
    )


def is_web(one: Pod) -> bool:
    return one.metadata.labels.get("app") == "web"


@RELAXED
@given(nodes_drawn, nodes_drawn, pods_drawn, st.randoms(use_true_random=False))
def test_deltas_lead_to_what_building_anew_gives(first: list[Any], then: list[Any], pods: list[Any], chance: Any) -> None:
    nodes = columns(*(made_node(place, drawn) for place, drawn in enumerate(first)))
    placed = [(facts_of(made_pod(place, drawn)), f"n{chance.randrange(8)}") for place, drawn in enumerate(pods)]
    for one, where in placed:
        nodes.add_pod(where, one)
    kept = [pair for pair in placed if chance.random() < 0.6]
    for one, where in placed:
        if (one, where) not in kept:
            nodes.remove_pod(where, one)
    gone = [name for name in nodes.rows if chance.random() < 0.3]
    for name in gone:
        nodes.remove_node(name)
    last = {f"n{place}": made_node(place, drawn) for place, drawn in enumerate(first)}
    for name in gone:
        del last[name]
    for place, drawn in enumerate(then):
        last[f"n{place}"] = made_node(place, drawn)
        nodes.set_node(last[f"n{place}"])
    anew = columns(*last.values())
    for one, where in kept:
        anew.add_pod(where, one)
    assert state(nodes) == state(anew)


class Forgetful(Framework):
    """Works everything out each time."""

    def _recall(self, pod: PodFacts, nodes: NodeColumns) -> None:
        return None


@RELAXED
@given(nodes_drawn, st.lists(st.integers(0, 2), max_size=20), st.integers(0, 5))
def test_work_shared_by_equal_pods_changes_no_choice(some: list[Any], kinds: list[int], seed: int) -> None:
    forms = [
        {"cpu": "", "memory": "", "ports": (), "zone": "", "tolerates": False},
        {"cpu": "500m", "memory": "512Mi", "ports": (), "zone": "", "tolerates": True},
        {"cpu": "", "memory": "", "ports": (80,), "zone": "1", "tolerates": True},
    ]
    results = []
    for kind in (Framework, Forgetful):
        nodes = columns(*(made_node(place, drawn) for place, drawn in enumerate(some)))
        framework = kind(plugins(), Entropy(seed))
        chosen = []
        for place, form in enumerate(sorted(kinds)):
            one = facts_of(made_pod(place, forms[form]))
            choice = framework.choose(one, nodes)
            chosen.append(choice.node)
            if choice.node:
                nodes.add_pod(choice.node, one)
        results.append(chosen)
    assert results[0] == results[1]


def test_resources_that_appear_late_widen_the_columns() -> None:
    nodes = columns(node("a"))
    nodes.set_node(node("b", resources={"example.com/gpu": "2"}))
    assert nodes.allocatable[nodes.rows["b"], nodes.column["example.com/gpu"]] == 2
    assert nodes.allocatable[nodes.rows["a"], nodes.column["example.com/gpu"]] == 0
    assert nodes.allocatable.shape == nodes.requested.shape


def test_pods_of_unknown_nodes_count_when_the_node_comes() -> None:
    nodes = columns()
    nodes.add_pod("a", facts_of(pod(cpu="1")))
    nodes.set_node(node("a"))
    assert nodes.requested[nodes.rows["a"], nodes.column["cpu"]] == 1000
    assert np.count_nonzero(nodes.alive) == 1
