"""Which Pods a DaemonSet makes and removes: worlds and what is done about them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pilothouse.api.types.apps_v1 import DaemonSet
from pilothouse.api.types.core_v1 import Affinity, Node, Pod
from pilothouse.controllers.builtin.daemonset import DaemonSetController
from pilothouse.controllers.framework.actions import Action, Create, Delete, Emit, RequeueAfter, UpdateStatus
from pilothouse.controllers.histories import HASH_LABEL, history
from pilothouse.kit.virtual_clock import EPOCH
from pilothouse.machinery import codec, time
from pilothouse.testing.controllers import planned, world_of

TEMPLATE = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "d:1"}]}}
DAEMONS = {
    "metadata": {"name": "d", "namespace": "n", "uid": "d-uid", "generation": 1},
    "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": TEMPLATE, "updateStrategy": {"type": "RollingUpdate"}},
}


def daemons(**rolling: Any) -> DaemonSet:
    one = codec.from_dict(DAEMONS, DaemonSet)
    one.spec.updateStrategy = codec.from_dict({"type": "RollingUpdate", "rollingUpdate": rolling}, type(one.spec.updateStrategy))
    return one


CURRENT = history(daemons(), world_of()).hash


def node(name: str, *taints: tuple[str, str], unschedulable: bool = False) -> Node:
    spec = {"taints": [{"key": key, "effect": effect} for key, effect in taints], "unschedulable": unschedulable}
    return codec.from_dict({"metadata": {"name": name}, "spec": spec}, Node)


def pod(name: str, on: str, phase: str = "Running", *, ready: bool = True, old: bool = False, age: int = 100, **meta: Any) -> Pod:
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "d-uid", "controller": True}
    labels = {"app": "d", HASH_LABEL: "old" if old else CURRENT}
    created = time.text(EPOCH.replace(microsecond=0)) if not age else f"1999-12-31T00:{59 - age // 60:02}:{59 - age % 60:02}Z"
    full = {"name": name, "namespace": "n", "uid": name, "labels": labels, "ownerReferences": [owner], "creationTimestamp": created} | meta
    conditions = [{"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": created}]
    return codec.from_dict({"metadata": full, "spec": {"nodeName": on}, "status": {"phase": phase, "conditions": conditions}}, Pod)


def tied(name: str, to: str) -> Pod:
    """A Pod that waits for its node."""
    one = pod(name, "", "Pending", ready=False)
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [to]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    one.spec.affinity = codec.from_dict({"nodeAffinity": required}, Affinity)
    return one


def done(actions: list[Action]) -> list[str]:
    """What is created (by node) and deleted (by name)."""
    found = []
    for action in actions:
        if isinstance(action, Create) and isinstance(action.object, Pod):
            terms = action.object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
            found.append(f"+{terms[0].matchFields[0].values[0]}")
        elif isinstance(action, Delete) and isinstance(action.object, Pod):
            found.append(f"-{action.object.metadata.name}")
    return found


@pytest.mark.parametrize(
    ("rolling", "world", "expected"),
    [
        pytest.param({}, [node("a"), node("b"), pod("p", "a")], ["+b"], id="a node was added"),
        pytest.param({}, [node("a"), pod("p", "a"), pod("q", "b")], [], id="a node is gone, and its Pod is another's to remove"),
        pytest.param({}, [node("a"), pod("p", "a"), tied("q", "b")], ["-q"], id="a node is gone before its Pod was there"),
        pytest.param({}, [node("a", unschedulable=True)], ["+a"], id="a cordoned node gets its daemon, too"),
        pytest.param({}, [node("a", ("node.kubernetes.io/not-ready", "NoExecute"))], ["+a"], id="so does one that is not ready"),
        pytest.param({}, [node("a", ("mine", "NoSchedule"))], [], id="a taint keeps it off"),
        pytest.param({}, [node("a", ("mine", "NoSchedule")), pod("p", "a")], [], id="but not out"),
        pytest.param({}, [node("a", ("mine", "NoExecute")), pod("p", "a")], ["-p"], id="NoExecute puts it out"),
        pytest.param({}, [node("a"), pod("p", "a", "Succeeded")], ["-p"], id="one that ended well is replaced at once"),
        pytest.param({}, [node("a"), pod("p", "a", "Failed")], ["-p"], id="one that failed, too, the first time"),
        pytest.param(
            {}, [node("a"), pod("p", "a", "Failed"), pod("q", "a", "Failed", age=5)], ["-p"], id="the next of that node after a while"
        ),
        pytest.param(
            {}, [node("a", ("mine", "NoSchedule")), pod("p", "a", "Succeeded")], ["-p"], id="also where there will be no other"
        ),
        pytest.param({}, [node("a"), pod("p", "a"), pod("q", "a", age=5)], ["-q"], id="of two the older stays"),
        pytest.param({}, [node("a"), pod("p", ""), pod("q", "a")], [], id="one that is tied to no node is none of a's"),
        pytest.param({}, [node("a"), node("b"), pod("p", "a", old=True), pod("q", "b", old=True)], ["-p"], id="one at a time is updated"),
        pytest.param(
            {"maxUnavailable": "100%"}, [node("a"), node("b"), pod("p", "a", old=True), pod("q", "b", old=True)], ["-p", "-q"], id="or all"
        ),
        pytest.param(
            {}, [node("a"), node("b"), pod("p", "a", old=True), pod("q", "b", ready=False)], [], id="none while another is not ready"
        ),
        pytest.param(
            {},
            [node("a"), node("b"), pod("p", "a", old=True), pod("q", "b", old=True, ready=False)],
            ["-q"],
            id="first what serves nobody",
        ),
        pytest.param(
            {"maxSurge": 1, "maxUnavailable": 0},
            [node("a"), node("b"), pod("p", "a", old=True), pod("q", "b", old=True)],
            ["+a"],
            id="surge",
        ),
        pytest.param(
            {"maxSurge": 1, "maxUnavailable": 0},
            [node("a"), pod("p", "a", old=True), pod("q", "a", ready=False, age=5)],
            [],
            id="the old one stays until the new one is ready",
        ),
        pytest.param(
            {"maxSurge": 1, "maxUnavailable": 0}, [node("a"), pod("p", "a", old=True), pod("q", "a", age=5)], ["-p"], id="and goes then"
        ),
        pytest.param(
            {"maxSurge": 1, "maxUnavailable": 0},
            [node("a"), pod("p", "a", old=True), pod("q", "a", old=True, ready=False, age=5)],
            ["-q"],
            id="what was to follow it goes when the template has changed again",
        ),
        pytest.param(
            {"maxSurge": 1, "maxUnavailable": 0},
            [node("a"), node("b"), pod("p", "a", old=True, ready=False), pod("q", "b", old=True)],
            ["+a", "+b"],
            id="one that serves nobody is replaced beyond the surge",
        ),
        pytest.param(
            {"maxSurge": 1, "maxUnavailable": 0}, [node("a"), pod("p", "a", deletionTimestamp="2025-01-01T00:00:00Z")], ["+a"],
            id="with surge the next one need not wait",
        ),
    ],
)  # fmt: skip
def test_plan(rolling: dict[str, Any], world: list[Any], expected: list[str]) -> None:
    assert done(planned(DaemonSetController(), daemons(**rolling), *world)) == expected


def test_what_ended_is_told() -> None:
    actions = planned(
        DaemonSetController(), daemons(), node("a"), node("b"), pod("p", "a", "Succeeded"), pod("q", "b", "Failed"), memory={}
    )
    assert [(told.type, told.reason, told.message) for told in actions if isinstance(told, Emit)] == [
        ("Normal", "SucceededDaemonPod", "Found succeeded daemon pod n/p on node a, will try to delete it"),
        ("Warning", "FailedDaemonPod", "Found failed daemon pod n/q on node b, will try to kill it"),
    ]


def test_the_pause_after_failures_on_a_node_doubles() -> None:
    memory: dict[str, Any] = {}
    waits = []
    now = EPOCH
    for name in "pqrs":
        world = node("a"), pod(name, "a", "Failed")
        actions = planned(DaemonSetController(), daemons(), *world, memory=memory, now=now)
        waits.append(sum(action.seconds for action in actions if isinstance(action, RequeueAfter)))
        now += timedelta(seconds=waits[-1])
        if waits[-1]:
            assert done(planned(DaemonSetController(), daemons(), *world, memory=memory, now=now)) == [f"-{name}"]
    assert waits == [0, 1, 2, 4]
    later = now + timedelta(hours=1)
    assert done(planned(DaemonSetController(), daemons(), node("a"), pod("t", "a", "Failed"), memory=memory, now=later)) == ["-t"]


OLD_AND_NEW = [pod("p", "a", old=True), pod("q", "a", age=5, ready=False)]


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param([node("a"), node("b"), pod("p", "a")], (2, 1, 1, 1, 1, 0, 1), id="one of two nodes has it"),
        pytest.param([node("a"), *OLD_AND_NEW], (1, 1, 1, 1, 0, 0, 0), id="in a surge the older counts"),
        pytest.param([node("a"), pod("p", "a", deletionTimestamp="2025-01-01T00:00:00Z")], (1, 1, 1, 1, 1, 0, 0), id="one that goes, too"),
        pytest.param([node("a", ("mine", "NoSchedule")), pod("p", "a")], (0, 0, 0, 0, 0, 1, 0), id="where it should not be"),
        pytest.param([node("a"), pod("p", "a"), pod("q", "gone")], (1, 1, 1, 1, 1, 0, 0), id="not on nodes that are gone"),
    ],
)
def test_status(world: list[Any], expected: tuple[int, ...]) -> None:
    """(desired, current, ready, available, updated, misscheduled, unavailable)"""
    actions = planned(DaemonSetController(), daemons(maxSurge=1, maxUnavailable=0), *world)
    [status] = [action.object.status for action in actions if isinstance(action, UpdateStatus)]
    counts = status.desiredNumberScheduled, status.currentNumberScheduled, status.numberReady, status.numberAvailable
    assert (*counts, status.updatedNumberScheduled, status.numberMisscheduled, status.numberUnavailable) == expected
