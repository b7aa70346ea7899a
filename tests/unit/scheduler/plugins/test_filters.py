"""Which nodes each filter lets pass, and what it says of the others, in upstream's words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pilothouse.api.types.core_v1 import (
    Affinity,
    Node,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    Toleration,
    TopologySpreadConstraint,
)
from pilothouse.machinery.meta_v1 import LabelSelector
from tests.unit.scheduler.objects import container, host_port, node, pod
from tests.unit.scheduler.world import Board


def requires(*terms: NodeSelectorTerm) -> Affinity:
    return Affinity(nodeAffinity=NodeAffinity(requiredDuringSchedulingIgnoredDuringExecution=NodeSelector(nodeSelectorTerms=[*terms])))


def term(key: str, operator: str, *values: str) -> NodeSelectorTerm:
    return NodeSelectorTerm(matchExpressions=[NodeSelectorRequirement(key=key, operator=operator, values=[*values])])


def named(*names: str) -> NodeSelectorTerm:
    return NodeSelectorTerm(matchFields=[NodeSelectorRequirement(key="metadata.name", operator="In", values=[*names])])


def zoned(name: str, zone: str, **more: Any) -> Node:
    return node(name, labels={"zone": zone}, **more)


def near(app: str, key: str = "zone", **more: Any) -> PodAffinityTerm:
    return PodAffinityTerm(labelSelector=LabelSelector(matchLabels={"app": app}), topologyKey=key, **more)


def beside(*terms: PodAffinityTerm) -> Affinity:
    return Affinity(podAffinity=PodAffinity(requiredDuringSchedulingIgnoredDuringExecution=[*terms]))


def apart(*terms: PodAffinityTerm) -> Affinity:
    return Affinity(podAntiAffinity=PodAntiAffinity(requiredDuringSchedulingIgnoredDuringExecution=[*terms]))


def spread(skew: int = 1, **more: Any) -> TopologySpreadConstraint:
    selector = LabelSelector(matchLabels={"app": "web"})
    return TopologySpreadConstraint(topologyKey="zone", maxSkew=skew, whenUnsatisfiable="DoNotSchedule", labelSelector=selector, **more)


UNSCHEDULABLE = "node(s) were unschedulable"
AFFINITY = "node(s) didn't match Pod's node affinity/selector"
PORTS = "node(s) didn't have free ports for the requested pod ports"
SKEW = "node(s) didn't match pod topology spread constraints"
WEB = {"app": "web"}
GPU = "node(s) had untolerated taint {gpu: yes}"

CASES = [
    pytest.param([node("a"), node("b", unschedulable=True)], [], pod(), "a", {UNSCHEDULABLE: 1}, id="a cordoned node takes no Pod"),
    pytest.param(
        [node("a", unschedulable=True)],
        [],
        pod(tolerations=[Toleration(key="node.kubernetes.io/unschedulable", operator="Exists", effect="NoSchedule")]),
        "a",
        {},
        id="unless the Pod tolerates it",
    ),
    pytest.param([node("a"), node("b", taints="gpu=yes:NoSchedule")], [], pod(), "a", {GPU: 1}, id="a taint keeps Pods off"),
    pytest.param([node("b", taints="gpu=yes:NoExecute")], [], pod(), "", {GPU: 1}, id="so does NoExecute"),
    pytest.param([node("b", taints="gpu=yes:PreferNoSchedule")], [], pod(), "b", {}, id="PreferNoSchedule does not"),
    pytest.param(
        [node("b", taints="gpu=yes:NoSchedule")],
        [],
        pod(tolerations=[Toleration(key="gpu", value="yes")]),
        "b",
        {},
        id="an equal toleration",
    ),
    pytest.param(
        [node("b", taints="gpu=yes:NoSchedule")], [], pod(tolerations=[Toleration(key="gpu", value="no")]), "", {GPU: 1}, id="another value"
    ),
    pytest.param(
        [node("b", taints="gpu=yes:NoSchedule")], [], pod(tolerations=[Toleration(operator="Exists")]), "b", {}, id="all tolerated"
    ),
    pytest.param([node("a"), node("b")], [], pod(nodeSelector={"kubernetes.io/hostname": "b"}), "b", {AFFINITY: 1}, id="nodeSelector"),
    pytest.param(
        [zoned("a", "1"), zoned("b", "2"), node("c")], [], pod(affinity=requires(term("zone", "In", "1"))), "a", {AFFINITY: 2}, id="In"
    ),
    pytest.param(
        [zoned("a", "1"), zoned("b", "2"), node("c")],
        [],
        pod(affinity=requires(term("zone", "NotIn", "1"))),
        "bc",
        {AFFINITY: 1},
        id="NotIn",
    ),
    pytest.param([zoned("a", "1"), node("c")], [], pod(affinity=requires(term("zone", "Exists"))), "a", {AFFINITY: 1}, id="Exists"),
    pytest.param(
        [zoned("a", "1"), node("c")], [], pod(affinity=requires(term("zone", "DoesNotExist"))), "c", {AFFINITY: 1}, id="DoesNotExist"
    ),
    pytest.param(
        [zoned("a", "1"), zoned("b", "20"), zoned("c", "x")],
        [],
        pod(affinity=requires(term("zone", "Gt", "3"))),
        "b",
        {AFFINITY: 2},
        id="Gt",
    ),
    pytest.param([zoned("a", "1"), zoned("b", "20")], [], pod(affinity=requires(term("zone", "Lt", "3"))), "a", {AFFINITY: 1}, id="Lt"),
    pytest.param(
        [zoned("a", "1_0"), zoned("b", "9" * 20)],
        [],
        pod(affinity=requires(term("zone", "Gt", "3"))),
        "",
        {AFFINITY: 2},
        id="Gt of what is no integer of 64 bits",
    ),
    pytest.param(
        [zoned("a", "1"), node("b")], [], pod(affinity=requires(term("zone", "In", "1"), named("b"))), "ab", {}, id="any of the terms"
    ),
    pytest.param([node("a")], [], pod(affinity=requires(NodeSelectorTerm())), "", {AFFINITY: 1}, id="an empty term matches nothing"),
    pytest.param(
        [node("a"), node("b"), node("c")],
        [],
        pod(affinity=requires(named("b"))),
        "b",
        {"node(s) didn't satisfy plugin(s) [NodeAffinity]": 2},
        id="a node's name, as DaemonSets ask",
    ),
    pytest.param(
        [node("a"), node("b")],
        [(pod(containers=[container(ports=(80,))]), "a")],
        pod(containers=[container(ports=(80,))]),
        "b",
        {PORTS: 1},
        id="a host port is taken once",
    ),
    pytest.param(
        [node("a")],
        [(pod(containers=[container(ports=(80,))]), "a")],
        pod(containers=[container(ports=(81,))]),
        "a",
        {},
        id="another is free",
    ),
    *(
        pytest.param(
            [node("a")],
            [(pod(containers=[container(ports=(host_port(80, *taken),))]), "a")],
            pod(containers=[container(ports=(host_port(80, *wanted),))]),
            "" if clash else "a",
            {PORTS: 1} if clash else {},
            id=f"host port {wanted} where {taken} is taken",
        )
        for taken, wanted, clash in (
            (("", "TCP"), ("", "UDP"), False),
            (("127.0.0.1",), ("10.0.0.1",), False),
            (("127.0.0.1",), ("127.0.0.1",), True),
            (("127.0.0.1",), ("",), True),
            (("0.0.0.0",), ("127.0.0.1",), True),
            (("127.0.0.1", "UDP"), ("0.0.0.0", "TCP"), False),
        )
    ),
    pytest.param(
        [node("a")],
        [(pod(initContainers=[container(ports=(80,), restart="Always")]), "a")],
        pod(initContainers=[container(ports=(80,), restart="Always")]),
        "",
        {PORTS: 1},
        id="a sidecar's host port",
    ),
    pytest.param(
        [node("a")],
        [(pod(initContainers=[container(ports=(80,))]), "a")],
        pod(containers=[container(ports=(80,))]),
        "a",
        {},
        id="an init container's host port is nobody's",
    ),
    pytest.param([node("a", cpu="1"), node("b")], [], pod(cpu="2"), "b", {"Insufficient cpu": 1}, id="too little CPU"),
    pytest.param(
        [node("a", cpu="1", memory="1Gi")],
        [],
        pod(cpu="2", memory="2Gi"),
        "",
        {"Insufficient cpu": 1, "Insufficient memory": 1},
        id="all that is short is told",
    ),
    pytest.param([node("a", pods="1")], [(pod(), "a")], pod(), "", {"Too many pods": 1}, id="as many Pods as the node allows"),
    pytest.param([node("a", cpu="0", pods="5")], [], pod(), "a", {}, id="a Pod that requests nothing fits where nothing is left"),
    pytest.param(
        [node("a"), node("b", resources={"example.com/gpu": "2"})],
        [],
        pod(containers=[container(example_gpu="1")]),
        "b",
        {"Insufficient example.com/gpu": 1},
        id="an extended resource",
    ),
    pytest.param(
        [node("a")], [], pod(containers=[container(example_fpga="1")]), "", {"Insufficient example.com/fpga": 1}, id="one that no node has"
    ),
    pytest.param(
        [zoned("a", "1"), zoned("b", "2"), zoned("c", "2")],
        [(pod(labels={"app": "db"}), "b")],
        pod(affinity=beside(near("db"))),
        "bc",
        {"node(s) didn't match pod affinity rules": 1},
        id="near another Pod",
    ),
    pytest.param(
        [zoned("a", "1"), node("b")],
        [],
        pod(labels=WEB, affinity=beside(near("web"))),
        "a",
        {"node(s) didn't match pod affinity rules": 1},
        id="the first of a group may go anywhere with the label",
    ),
    pytest.param(
        [zoned("a", "1"), node("b")],
        [(pod(labels=WEB), "b")],
        pod(labels=WEB, affinity=beside(near("web"))),
        "a",
        {"node(s) didn't match pod affinity rules": 1},
        id="Pods where the label is missing make no group",
    ),
    pytest.param(
        [zoned("a", "1"), zoned("b", "2"), zoned("c", "2")],
        [(pod(labels=WEB), "b")],
        pod(affinity=apart(near("web"))),
        "a",
        {"node(s) didn't match pod anti-affinity rules": 2},
        id="far from another Pod",
    ),
    pytest.param(
        [zoned("a", "1"), zoned("b", "2"), zoned("c", "2")],
        [(pod(affinity=apart(near("web"))), "b")],
        pod(labels=WEB),
        "a",
        {"node(s) didn't satisfy existing pods anti-affinity rules": 2},
        id="not wanted by a placed Pod",
    ),
    pytest.param(
        [zoned("a", "1")], [(pod(namespace="other", labels=WEB), "a")], pod(affinity=apart(near("web"))), "a", {}, id="of its own namespace"
    ),
    pytest.param(
        [zoned("a", "1")],
        [(pod(namespace="other", labels=WEB), "a")],
        pod(affinity=apart(near("web", namespaceSelector=LabelSelector(matchLabels={"team": "b"})))),
        "",
        {"node(s) didn't match pod anti-affinity rules": 1},
        id="or of namespaces by their labels",
    ),
    pytest.param(
        [zoned("a", "1"), zoned("b", "2")],
        [(pod(labels=WEB), "a")],
        pod(labels=WEB, topologySpreadConstraints=[spread()]),
        "b",
        {SKEW: 1},
        id="spread over zones",
    ),
    pytest.param(
        [zoned("a", "1"), zoned("b", "2")],
        [(pod(labels=WEB), "a")],
        pod(labels=WEB, topologySpreadConstraints=[spread(2)]),
        "ab",
        {},
        id="as far as the skew allows",
    ),
    pytest.param(
        [zoned("a", "1"), node("b")],
        [],
        pod(labels=WEB, topologySpreadConstraints=[spread()]),
        "a",
        {f"{SKEW} (missing required label)": 1},
        id="nodes without the topology key do not count",
    ),
    pytest.param(
        [zoned("a", "1"), zoned("b", "1")],
        [(pod(labels=WEB), "a")],
        pod(labels=WEB, topologySpreadConstraints=[spread(minDomains=2)]),
        "",
        {SKEW: 2},
        id="too few domains",
    ),
    pytest.param(
        [node("a", labels={"zone": "1", "rack": "x"}), node("b", labels={"zone": "1"}), node("c", labels={"zone": "2", "rack": "x"})],
        [(pod(labels=WEB), "a")],
        pod(labels=WEB, topologySpreadConstraints=[spread(), msgspec.structs.replace(spread(9), topologyKey="rack")]),
        "c",
        {SKEW: 2},
        id="the first constraint that fails is told",
    ),
    pytest.param(
        [zoned("a", "1"), zoned("b", "2")],
        [(pod(labels=WEB), "a")],
        pod(labels=WEB, topologySpreadConstraints=[msgspec.structs.replace(spread(), labelSelector=LabelSelector())]),
        "ab",
        {},
        id="an empty selector counts nobody",
    ),
]


@pytest.mark.parametrize(("nodes", "placed", "wanting", "fit", "reasons"), CASES)
def test_filters(nodes: list[Node], placed: list[tuple[Pod, str]], wanting: Pod, fit: str, reasons: dict[str, int]) -> None:
    board = Board(*nodes)
    for one, where in placed:
        board.place(one, where)
    names, diagnosis = board.feasible(wanting)
    assert (names, dict(diagnosis.reasons)) == (set(fit), reasons)


def test_no_selector_and_an_empty_one_are_told_apart() -> None:
    board = Board(zoned("a", "1"))
    board.place(pod(labels=WEB), "a")
    term = PodAffinityTerm(topologyKey="zone", labelSelector=LabelSelector())
    assert board.feasible(pod(affinity=apart(term)))[0] == set()
    assert board.feasible(pod(affinity=apart(msgspec.structs.replace(term, labelSelector=None))))[0] == {"a"}


def test_a_removed_pod_leaves_nothing_behind() -> None:
    from pilothouse.scheduler.facts import facts_of

    board = Board(zoned("a", "1"))
    before = board.feasible(pod(labels=WEB, topologySpreadConstraints=[spread()], affinity=apart(near("web"))))[0]
    one = facts_of(pod(labels=WEB, affinity=apart(near("web")), containers=[container(ports=(80,), cpu="3")]))
    board.nodes.add_pod("a", one)
    assert board.feasible(pod(labels=WEB))[0] == set()
    board.nodes.remove_pod("a", one)
    assert board.feasible(pod(labels=WEB, topologySpreadConstraints=[spread()], affinity=apart(near("web"))))[0] == before == {"a"}
    assert not board.nodes.requested.any()
    assert not board.nodes.counts.affinities
    assert not board.nodes.ports
