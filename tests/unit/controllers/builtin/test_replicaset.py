"""ReplicaSets: counting, removal order, adoption, status and failure."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.apps_v1 import ReplicaSet, ReplicaSetSpec
from pilothouse.api.types.core_v1 import Container, Event, Pod, PodCondition, PodSpec, PodStatus, PodTemplateSpec
from pilothouse.controllers.builtin.replicaset import ReplicaSetController
from pilothouse.controllers.framework.actions import Adopt, Create, Delete, Failure, Release, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.owners import controller_reference
from pilothouse.machinery import errors
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta
from pilothouse.testing.controllers import Bench, planned

LABELS = {"app": "web"}


def replicaset(replicas: int = 3, **spec: Any) -> ReplicaSet:
    template = PodTemplateSpec(metadata=ObjectMeta(labels=LABELS), spec=PodSpec(containers=[Container(name="app", image="app")]))
    return ReplicaSet(
        metadata=ObjectMeta(name="web", namespace="default", uid="rs-uid", generation=1, resourceVersion="1"),
        spec=ReplicaSetSpec(replicas=replicas, selector=LabelSelector(matchLabels=LABELS), template=template, **spec),
    )


def pod(name: str, *, phase: str = "Running", ready: bool = True, owned: bool = True, node: str = "node-1", **meta: Any) -> Pod:
    metadata = ObjectMeta(name=name, namespace="default", uid=name, labels=LABELS, creationTimestamp="2024-12-31T00:00:00Z")
    for field, value in meta.items():
        setattr(metadata, field, value)
    if owned:
        metadata.ownerReferences = [controller_reference(replicaset())]
    conditions = [PodCondition(type="Ready", status="True", lastTransitionTime="2024-12-31T00:00:00Z")] if ready else []
    return Pod(metadata=metadata, spec=PodSpec(nodeName=node), status=PodStatus(phase=phase, conditions=conditions))


def summary(actions: list[Any]) -> list[str]:
    """What was planned, in words."""
    said = []
    for action in actions:
        match action:
            case Create():
                said.append("create")
            case Delete(obj) | Adopt(obj) | Release(obj):
                said.append(f"{type(action).__name__.lower()} {obj.metadata.name}")
    return said


@pytest.mark.parametrize(
    ("replicas", "pods", "expected"),
    [
        pytest.param(3, [], ["create"] * 3, id="creates what is missing"),
        pytest.param(1, [pod("a"), pod("b", phase="Pending", ready=False)], ["delete b"], id="removes the one that is pending"),
        pytest.param(1, [pod("a"), pod("b", ready=False)], ["delete b"], id="removes the one that is not ready"),
        pytest.param(1, [pod("a"), pod("b", node="")], ["delete b"], id="removes the unassigned before the ready"),
        pytest.param(
            1, [pod("a"), pod("b", annotations={"controller.kubernetes.io/pod-deletion-cost": "-1"})], ["delete b"], id="deletion cost"
        ),
        pytest.param(2, [pod("a", node="n1"), pod("b", node="n2"), pod("c", node="n2")], ["delete b"], id="removes one of two on a node"),
        pytest.param(1, [pod("b", creationTimestamp="2024-12-31T23:59:59Z"), pod("a")], ["delete b"], id="removes the younger"),
        pytest.param(0, [pod("a"), pod("b")], ["delete a", "delete b"], id="removes all"),
        pytest.param(2, [pod("a"), pod("b", phase="Failed")], ["create"], id="does not count what has failed"),
        pytest.param(2, [pod("a"), pod("b", deletionTimestamp="2024-12-31T00:00:00Z")], ["create"], id="does not count what is going away"),
        pytest.param(1, [pod("a", owned=False)], ["adopt a"], id="adopts an orphan that matches"),
        pytest.param(1, [pod("a", labels={"app": "other"})], ["release a", "create"], id="releases what no longer matches"),
        pytest.param(1, [pod("a", owned=False, labels={"app": "other"})], ["create"], id="leaves strangers alone"),
    ],
)
def test_plan(replicas: int, pods: list[Pod], expected: list[str]) -> None:
    # A Pod that is ready as long as another differs by nothing but its age.
    assert summary(planned(ReplicaSetController(), replicaset(replicas), *pods)) == expected


def test_a_dying_replicaset_makes_and_removes_nothing() -> None:
    rs = replicaset(3)
    rs.metadata.deletionTimestamp = "2025-01-01T00:00:00Z"
    assert summary(planned(ReplicaSetController(), rs, pod("a", owned=False))) == []


def test_status_counts_ready_available_and_labeled() -> None:
    rs = replicaset(3, minReadySeconds=3600 * 48)
    actions = planned(ReplicaSetController(), rs, pod("a"), pod("b", ready=False), pod("c"))
    status = next(one for one in actions if isinstance(one, UpdateStatus)).object.status
    assert (status.replicas, status.readyReplicas, status.availableReplicas, status.fullyLabeledReplicas) == (3, 2, 0, 3)
    assert status.observedGeneration == 1
    assert RequeueAfter(3600 * 24) in actions


def test_a_failed_create_becomes_a_condition_and_goes_with_success() -> None:
    failure = Failure(Create(pod("x")), errors.forbidden("pods", "", "x", "exceeded quota"))
    actions = planned(ReplicaSetController(), replicaset(1), failure=failure)
    status = next(one for one in actions if isinstance(one, UpdateStatus)).object.status
    assert [(one.type, one.status, one.reason) for one in status.conditions] == [("ReplicaFailure", "True", "FailedCreate")]
    rs = replicaset(1)
    rs.status = status
    again = next(one for one in planned(ReplicaSetController(), rs, pod("a")) if isinstance(one, UpdateStatus))
    assert again.object.status.conditions == []


async def test_makes_the_pods_and_tells_of_them() -> None:
    async with Bench("replicaset") as bench:
        bench.transport.add(replicaset(5))
        await bench.advance(1)
        pods = bench.transport.all(Pod)
        assert len(pods) == 5
        assert all(one.metadata.name.startswith("web-") and one.metadata.ownerReferences[0].uid == "rs-uid" for one in pods)
        events = bench.transport.all(Event)
        assert {(one.reason, one.message) for one in events} == {("SuccessfulCreate", f"Created pod: {one.metadata.name}") for one in pods}
        assert bench.transport.all(ReplicaSet)[0].status.replicas == 5


async def test_makes_no_pod_twice_while_its_cache_is_stale() -> None:
    async with Bench("replicaset") as bench:
        [rs] = bench.transport.add(replicaset(2))
        await bench.advance(1)
        bench.transport.hold()
        bench.transport.change(rs, lambda one: setattr(one.spec, "replicas", 4))
        bench.transport.release(1)
        await bench.advance(1)
        assert len(bench.transport.all(Pod)) == 4
        bench.transport.change(rs, lambda one: one.metadata.labels.update(touched="yes"))
        await bench.advance(60)
        assert len(bench.transport.all(Pod)) == 4
        bench.transport.release()
        await bench.advance(1)
        assert len(bench.transport.all(Pod)) == 4


async def test_a_full_quota_is_met_once_a_try_and_shown_in_the_status() -> None:
    async with Bench("replicaset") as bench:
        refused = errors.forbidden("pods", "", "web-x", "exceeded quota")
        bench.transport.fail(*[refused] * 3, when=lambda call: call.verb == "create" and call.resource.kind == "Pod")
        bench.transport.add(replicaset(4))
        await bench.advance(0)
        assert [one.reason for one in bench.transport.all(ReplicaSet)[0].status.conditions] == ["FailedCreate"]
        await bench.advance(1)
        assert len(bench.transport.all(Pod)) == 4
        assert bench.transport.all(ReplicaSet)[0].status.conditions == []
        assert {one.reason for one in bench.transport.all(Event)} == {"SuccessfulCreate", "FailedCreate"}


async def test_adopts_after_asking_the_server_whether_it_still_lives() -> None:
    async with Bench("replicaset") as bench:
        bench.transport.add(pod("orphan", owned=False))
        bench.transport.add(replicaset(1))
        await bench.advance(1)
        [only] = bench.transport.all(Pod)
        assert [one.uid for one in only.metadata.ownerReferences] == ["rs-uid"]


async def test_makes_no_pod_twice_when_the_answer_to_a_create_is_lost() -> None:
    async with Bench("replicaset") as bench:
        [rs] = bench.transport.add(replicaset(0))
        await bench.advance(1)
        bench.transport.hold(Pod)
        bench.transport.lose_responses(1)
        bench.transport.change(rs, lambda one: setattr(one.spec, "replicas", 2))
        await bench.advance(60)
        assert len(bench.transport.all(Pod)) == 1
        bench.transport.release()
        await bench.advance(1)
        assert len(bench.transport.all(Pod)) == 2
