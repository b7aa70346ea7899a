"""Controllers that do one small thing each: disruptions that did not come, how long kubelets may remember."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import Node, Pod
from pilothouse.controllers.builtin.stalepoddisruption import StalePodDisruptionController
from pilothouse.controllers.builtin.ttl import ANNOTATION, TTLController, next_place
from pilothouse.controllers.framework.actions import Patch, RequeueAfter, UpdateStatus
from pilothouse.machinery import codec
from pilothouse.testing.controllers import planned

OLD, RECENT = "2024-12-31T23:57:00Z", "2024-12-31T23:59:00Z"


def disrupted(since: str, *, status: str = "True", reason: str = "EvictionByEvictionAPI", phase: str = "Running", **meta: Any) -> Pod:
    condition = {"type": "DisruptionTarget", "status": status, "reason": reason, "message": "m", "lastTransitionTime": since}
    full = {"name": "p", "namespace": "n", "uid": "p"} | meta
    return codec.from_dict({"metadata": full, "status": {"phase": phase, "conditions": [{"type": "Ready"}, condition]}}, Pod)


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(disrupted(OLD), "taken back", id="the deletion has not come"),
        pytest.param(disrupted(RECENT), 60.0, id="it may still come"),
        pytest.param(disrupted(OLD, deletionTimestamp=RECENT), None, id="it has come"),
        pytest.param(disrupted(OLD, reason="TerminationByKubelet"), None, id="the kubelet takes its time"),
        pytest.param(disrupted(OLD, phase="Failed"), None, id="the Pod has ended"),
        pytest.param(disrupted(OLD, status="False"), None, id="taken back already"),
    ],
)
def test_a_disruption_that_does_not_come_is_taken_back(pod: Pod, expected: str | float | None) -> None:
    actions = planned(StalePodDisruptionController(), pod)
    if expected != "taken back":
        assert [one.seconds for one in actions if isinstance(one, RequeueAfter)] == [one for one in [expected] if one]
        assert not any(isinstance(one, UpdateStatus) for one in actions)
        return
    [written] = [one.object.status.conditions for one in actions if isinstance(one, UpdateStatus)]
    assert [(one.type, one.status, one.reason, one.message) for one in written] == [
        ("Ready", "", "", ""),
        ("DisruptionTarget", "False", "", ""),
    ]
    assert written[1].lastTransitionTime == "2025-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("before", "nodes", "after"),
    [(0, 1, 0), (0, 100, 0), (0, 101, 1), (1, 95, 1), (1, 89, 0), (0, 5000, 4), (4, 3, 0), (4, 20000, 5)],
)
def test_the_time_grows_with_the_cluster_and_does_not_flutter(before: int, nodes: int, after: int) -> None:
    assert next_place(before, nodes) == after


def test_every_node_is_told() -> None:
    nodes = [codec.from_dict({"metadata": {"name": f"n{number}"}}, Node) for number in range(101)]
    assert [one.patch for one in planned(TTLController(), nodes[0]) if isinstance(one, Patch)] == [
        {"metadata": {"annotations": {ANNOTATION: "0"}}}
    ]
    assert [one.patch for one in planned(TTLController(), *nodes) if isinstance(one, Patch)] == [
        {"metadata": {"annotations": {ANNOTATION: "15"}}}
    ]
    told = codec.from_dict({"metadata": {"name": "n", "annotations": {ANNOTATION: "0"}}}, Node)
    assert planned(TTLController(), told) == []
