"""What a PodDisruptionBudget allows."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import Pod, PodCondition
from pilothouse.api.types.policy_v1 import PodDisruptionBudget, PodDisruptionBudgetSpec
from pilothouse.controllers.builtin.disruption import DisruptionController
from pilothouse.controllers.framework.actions import Emit, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.owners import controller_reference
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta, OwnerReference
from pilothouse.testing.controllers import planned
from tests.unit.controllers.builtin.test_replicaset import LABELS, replicaset


def budget(**spec: Any) -> PodDisruptionBudget:
    return PodDisruptionBudget(
        metadata=ObjectMeta(name="web", namespace="default", generation=3),
        spec=PodDisruptionBudgetSpec(selector=LabelSelector(matchLabels=LABELS), **spec),
    )


def pods(ready: int, not_ready: int = 0, *, owned: bool = True) -> list[Pod]:
    made = []
    for number in range(ready + not_ready):
        owners = [controller_reference(replicaset())] if owned else []
        one = Pod(metadata=ObjectMeta(name=f"p{number}", namespace="default", uid=f"p{number}", labels=LABELS, ownerReferences=owners))
        one.status.conditions = [PodCondition(type="Ready", status="True" if number < ready else "False")]
        made.append(one)
    return made


@pytest.mark.parametrize(
    ("spec", "found", "expected"),
    [
        pytest.param({"minAvailable": 2}, pods(3), (3, 3, 2, 1), id="one more than needed"),
        pytest.param({"minAvailable": 3}, pods(3), (3, 3, 3, 0), id="none to spare"),
        pytest.param({"minAvailable": 2}, pods(1, 2), (3, 1, 2, 0), id="too few are healthy"),
        pytest.param({"maxUnavailable": 1}, pods(5), (5, 5, 4, 1), id="counted from what the owner asks for"),
        pytest.param({"maxUnavailable": "50%"}, pods(5), (5, 5, 2, 3), id="percentages are rounded up"),
        pytest.param({"minAvailable": "50%"}, pods(4), (5, 4, 3, 1), id="of the owner's replicas, not of the Pods"),
        pytest.param({"minAvailable": 0}, [], (0, 0, 0, 0), id="no Pods"),
    ],
)
def test_status(spec: dict[str, Any], found: list[Pod], expected: tuple[int, ...]) -> None:
    actions = planned(DisruptionController(), budget(**spec), replicaset(5), *found)
    status = next(one for one in actions if isinstance(one, UpdateStatus)).object.status
    assert (status.expectedPods, status.currentHealthy, status.desiredHealthy, status.disruptionsAllowed) == expected
    condition = status.conditions[0]
    assert (condition.type, condition.status) == ("DisruptionAllowed", "True" if expected[3] else "False")
    assert condition.reason == ("SufficientPods" if expected[3] else "InsufficientPods")
    assert status.observedGeneration == 3


def test_an_eviction_that_was_granted_counts_until_its_pod_goes_or_two_minutes_have_passed() -> None:
    one = budget(minAvailable=1)
    one.status.disruptedPods = {"p0": "2025-01-01T00:00:00Z", "p1": "2024-12-31T23:57:00Z", "gone": "2025-01-01T00:00:00Z"}
    actions = planned(DisruptionController(), one, replicaset(3), *pods(3))
    status = next(action for action in actions if isinstance(action, UpdateStatus)).object.status
    assert (status.currentHealthy, status.disruptedPods) == (2, {"p0": "2025-01-01T00:00:00Z"})
    assert RequeueAfter(120.0) in actions


def test_allows_nothing_when_it_cannot_find_the_owner() -> None:
    actions = planned(DisruptionController(), budget(maxUnavailable=1), *pods(2))
    status = next(action for action in actions if isinstance(action, UpdateStatus)).object.status
    assert status.disruptionsAllowed == 0
    assert status.conditions[0].reason == "SyncFailed"
    told = 'Failed to calculate the number of expected pods: found no controllers for pod "p0"'
    assert [(one.reason, one.message) for one in actions if isinstance(one, Emit)] == [("CalculateExpectedPodCountFailed", told)]


@pytest.mark.parametrize(
    ("version", "kind", "expected"),
    [
        pytest.param("batch/v1", "Job", "jobs.batch does not implement the scale subresource", id="Job"),
        pytest.param("v1", "Node", "nodes does not implement the scale subresource", id="of the core group"),
        pytest.param("example.com/v1", "Thing", 'no matches for kind "Thing" in version "example.com/v1"', id="unknown"),
        pytest.param("apps/v1", "StatefulSet", 'found no controllers for pod "p0"', id="one that can be scaled, and is gone"),
    ],
)
def test_says_which_owner_cannot_be_asked_for_its_size(version: str, kind: str, expected: str) -> None:
    found = pods(1)
    found[0].metadata.ownerReferences = [OwnerReference(apiVersion=version, kind=kind, name="o", uid="o", controller=True)]
    actions = planned(DisruptionController(), budget(maxUnavailable=1), *found)
    status = next(action for action in actions if isinstance(action, UpdateStatus)).object.status
    assert status.conditions[0].message == expected


def test_tells_of_unmanaged_pods_and_of_none() -> None:
    actions = planned(DisruptionController(), budget(maxUnavailable=1), *pods(2, owned=False))
    assert [one.reason for one in actions if isinstance(one, Emit)] == ["UnmanagedPods"]
    assert [one.reason for one in planned(DisruptionController(), budget(minAvailable=1)) if isinstance(one, Emit)] == ["NoPods"]
