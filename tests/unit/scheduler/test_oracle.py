"""Properties: what the plugins say on columns is what a slow, straightforward implementation says of the objects."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilothouse.api.types.core_v1 import (
    Affinity,
    Container,
    ContainerImage,
    ContainerPort,
    Node,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PreferredSchedulingTerm,
    ResourceRequirements,
    Toleration,
)
from pilothouse.kit.entropy import Entropy
from pilothouse.scheduler.facts import facts_of
from pilothouse.scheduler.framework.runtime import Framework
from pilothouse.scheduler.plugins.imagelocality import ImageLocality
from pilothouse.scheduler.plugins.nodeaffinity import NodeAffinity as NodeAffinityPlugin
from pilothouse.scheduler.plugins.nodeports import NodePorts
from pilothouse.scheduler.plugins.noderesourcesbalancedallocation import NodeResourcesBalancedAllocation
from pilothouse.scheduler.plugins.noderesourcesfit import NodeResourcesFit
from pilothouse.scheduler.plugins.nodeunschedulable import NodeUnschedulable
from pilothouse.scheduler.plugins.prioritysort import PrioritySort
from pilothouse.scheduler.plugins.tainttoleration import TaintToleration
from tests.unit.scheduler import oracle
from tests.unit.scheduler.objects import columns, node, pod

CHECKED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
EFFECTS = ("NoSchedule", "NoExecute", "PreferNoSchedule")
SIZES = (10_000_000, 300_000_000, 3_000_000_000)


def some(*values: Any) -> Any:
    return st.sampled_from(values)


taints = st.lists(st.tuples(some("gpu", "old"), some("", "yes"), some(*EFFECTS)), max_size=3, unique_by=lambda one: (one[0], one[2])).map(
    lambda found: ",".join(f"{key}={value}:{effect}" for key, value, effect in found)
)
images = st.lists(st.tuples(some("app:1", "web:1"), some(*SIZES)), max_size=2, unique_by=lambda one: one[0]).map(
    lambda found: [ContainerImage(names=[name], sizeBytes=size) for name, size in found]
)
nodes = st.lists(
    st.builds(
        dict,
        cpu=some("0", "1", "2", "3"),
        memory=some("0", "1Gi", "3Gi"),
        pods=some("1", "3", "9"),
        taints=taints,
        images=images,
        labels=st.dictionaries(some("zone", "rank"), some("1", "2", "x"), max_size=2),
        unschedulable=some(False, False, True),
        resources=st.dictionaries(some("ephemeral-storage", "example.com/gpu"), some("1", "2"), max_size=2),
    ),
    min_size=1,
    max_size=5,
)
requirements = st.builds(
    lambda key, how: NodeSelectorRequirement(key=key, operator=how[0], values=[*how[1]]),
    some("zone", "rank"),
    some(("In", "1"), ("In", "12"), ("NotIn", "1"), ("Exists", ""), ("DoesNotExist", ""), ("Gt", "1"), ("Lt", "2")),
)
terms = st.builds(
    lambda found, named: NodeSelectorTerm(
        matchExpressions=found, matchFields=[NodeSelectorRequirement(key="metadata.name", operator="NotIn", values=["n0"])] if named else []
    ),
    st.lists(requirements, max_size=2),
    some(False, False, True),
)
affinities = st.builds(
    lambda required, preferred: Affinity(
        nodeAffinity=NodeAffinity(
            requiredDuringSchedulingIgnoredDuringExecution=NodeSelector(nodeSelectorTerms=required) if required else None,
            preferredDuringSchedulingIgnoredDuringExecution=[
                PreferredSchedulingTerm(weight=weight, preference=term) for weight, term in preferred
            ],
        )
    ),
    st.lists(terms, max_size=2),
    st.lists(st.tuples(st.integers(1, 100), terms), max_size=2),
)
containers = st.builds(
    lambda requests, port, image, always: Container(
        name="app",
        image=image,
        restartPolicy="Always" if always else "",
        resources=ResourceRequirements(requests=requests),
        ports=[ContainerPort(containerPort=port[1], hostPort=port[1], hostIP=port[0], protocol=port[2])] if port else [],
    ),
    st.dictionaries(some("cpu", "memory", "ephemeral-storage", "example.com/gpu"), some("1", "700m", "0", "500Mi"), max_size=2),
    some(None, None, ("", 80, "TCP"), ("10.0.0.1", 80, "TCP"), ("10.0.0.2", 80, "TCP"), ("", 80, "UDP")),
    some("app:1", "web:1", "other:1"),
    st.booleans(),
)
tolerations = st.builds(
    lambda key, how, effect: Toleration(
        key=key if how[0] != "All" else "", operator="Exists" if how[0] == "All" else how[0], value=how[1], effect=effect
    ),
    some("gpu", "old", "node.kubernetes.io/unschedulable"),
    some(("Exists", ""), ("Equal", "yes"), ("", ""), ("All", "")),
    some("", *EFFECTS),
)
pods = st.lists(
    st.builds(
        dict,
        containers=st.lists(containers, min_size=1, max_size=2),
        initContainers=st.lists(containers, max_size=3),
        affinity=st.none() | affinities,
        nodeSelector=some({}, {}, {"zone": "1"}),
        tolerations=st.lists(tolerations, max_size=2),
        overhead=some({}, {}, {"cpu": "100m"}),
        resources=some(None, None, ResourceRequirements(requests={"cpu": "1500m"})),
    ),
    min_size=1,
    max_size=8,
)


def framework(seed: int) -> Framework:
    """The plugins that judge a node by itself; what looks at other nodes has tests of its own."""
    plugins = [
        (PrioritySort(), 0),
        (NodeUnschedulable(), 0),
        (TaintToleration(), 3),
        (NodeAffinityPlugin(), 2),
        (NodePorts(), 0),
        (NodeResourcesFit(), 1),
        (NodeResourcesBalancedAllocation(), 1),
        (ImageLocality(), 1),
    ]
    return Framework(plugins, Entropy(seed))


@CHECKED
@given(nodes, pods, st.integers(0, 9))
def test_a_pod_goes_to_a_node_that_the_oracle_finds_best_or_is_told_what_it_says(
    some_nodes: list[Any], wanting: list[Any], seed: int
) -> None:
    made: list[Node] = [node(f"n{place}", **drawn) for place, drawn in enumerate(some_nodes)]
    snapshot, chooser = columns(*made), framework(seed)
    places = {one.metadata.name: oracle.Place(one) for one in made}
    for number, drawn in enumerate(wanting):
        one: Pod = pod(f"p{number}", **drawn)
        facts = facts_of(one)
        choice = chooser.choose(facts, snapshot)
        fitting = {name: place for name, place in places.items() if not oracle.why_not(one, place)}
        if not fitting:
            assert choice.diagnosis is not None
            assert choice.diagnosis.message() == oracle.message(one, [*places.values()])
            continue
        totals = dict(zip(fitting, oracle.scores(one, [*fitting.values()], [*places.values()]), strict=True))
        assert choice.node in [name for name, total in totals.items() if total == max(totals.values())], totals
        snapshot.add_pod(choice.node, facts)
        places[choice.node].pods.append(one)
