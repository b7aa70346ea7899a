"""How Jobs end: by which rule, with which Pods counted; in virtual time on a whole cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse.api.types.batch_v1 import Job
from pilothouse.api.types.core_v1 import Pod
from pilothouse.controllers.builtin.job import JobController
from pilothouse.controllers.framework.actions import Create, Delete, Patch, RequeueAfter, UpdateStatus
from pilothouse.controllers.jobs import indexes, perindex
from pilothouse.controllers.jobs.tally import FINALIZER, tally
from pilothouse.controllers.jobs.verdict import verdict
from pilothouse.kit.virtual_clock import EPOCH
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from pilothouse.machinery import codec, time
from pilothouse.testing.cluster import Cluster
from pilothouse.testing.controllers import planned, world_of

START = time.text(EPOCH)


def job(status: dict[str, Any] | None = None, **spec: Any) -> Job:
    template = {"metadata": {"labels": {"job": "j"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]}}
    base = {
        "parallelism": 3,
        "completions": 3,
        "completionMode": "Indexed",
        "selector": {"matchLabels": {"job": "j"}},
        "template": template,
    }
    meta = {"name": "j", "namespace": "n", "uid": "j-uid"}
    return codec.from_dict({"metadata": meta, "spec": base | spec, "status": {"startTime": START} | (status or {})}, Job)


def pod(name: str, phase: str = "Running", index: int | None = 0, *, failures: int | None = None, code: int = 1, **meta: Any) -> Pod:
    annotations = {} if index is None else {indexes.ANNOTATION: str(index)}
    if failures is not None:
        annotations[perindex.FAILURES] = str(failures)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "j-uid", "controller": True}
    ended = {"terminated": {"exitCode": code, "finishedAt": START}}
    status = {"phase": phase} | ({"containerStatuses": [{"name": "c", "state": ended}]} if phase in ("Failed", "Succeeded") else {})
    full = {"name": name, "namespace": "n", "uid": name, "labels": {"job": "j"}, "annotations": annotations, "finalizers": [FINALIZER]}
    full |= {"ownerReferences": [owner], "creationTimestamp": START} | meta
    return codec.from_dict({"metadata": full, "status": status}, Pod)


ANY_OF = {"rules": [{"succeededIndexes": "1-2", "succeededCount": 1}]}
ALL_OF = {"rules": [{"succeededIndexes": "7"}, {"succeededIndexes": "0,2"}]}
COUNT = {"rules": [{"succeededCount": 2}]}


@pytest.mark.parametrize(
    ("spec", "found", "expected"),
    [
        pytest.param({}, [pod("a", "Succeeded", 0), pod("b", "Running", 1)], None, id="not yet"),
        pytest.param({}, [pod(str(one), "Succeeded", one) for one in range(3)], "CompletionsReached", id="every index has succeeded"),
        pytest.param({"successPolicy": ANY_OF}, [pod("a", "Succeeded", 0)], None, id="an index that no rule names"),
        pytest.param({"successPolicy": ANY_OF}, [pod("a", "Succeeded", 2)], "SuccessPolicy", id="as many of some indexes as a rule asks"),
        pytest.param({"successPolicy": ALL_OF}, [pod("a", "Succeeded", 0)], None, id="not all that a rule names"),
        pytest.param(
            {"successPolicy": ALL_OF}, [pod("a", "Succeeded", 0), pod("b", "Succeeded", 2)], "SuccessPolicy", id="all that a rule names"
        ),
        pytest.param({"successPolicy": COUNT}, [pod("a", "Succeeded", 0), pod("b", "Succeeded", 1)], "SuccessPolicy", id="any so many"),
        pytest.param({"backoffLimit": 0}, [pod("a", "Failed", 0), *(pod(str(one), "Succeeded", one) for one in range(3))],
                     "BackoffLimitExceeded", id="failure comes before success"),
        pytest.param({"backoffLimitPerIndex": 1}, [pod("a", "Failed", 0, failures=0)], None, id="an index may fail once"),
        pytest.param(
            {"backoffLimitPerIndex": 1, "maxFailedIndexes": 0},
            [pod("a", "Failed", 0, failures=1)],
            "MaxFailedIndexesExceeded",
            id="more indexes have failed than may",
        ),
        pytest.param(
            {"backoffLimitPerIndex": 0},
            [pod("a", "Failed", 0), pod("b", "Succeeded", 1), pod("c", "Running", 2)],
            None,
            id="with an index that failed the others go on",
        ),
        pytest.param(
            {"backoffLimitPerIndex": 0},
            [pod("a", "Failed", 0), pod("b", "Succeeded", 1), pod("c", "Succeeded", 2)],
            "FailedIndexes",
            id="all indexes have ended, and one failed",
        ),
    ],
)  # fmt: skip
def test_verdict(spec: dict[str, Any], found: list[Pod], expected: str | None) -> None:
    one = job(**{"backoffLimit": 6} | spec)
    end = verdict(one, tally(one, found), found, world_of(one, *found))
    assert (end and end.reason) == expected


def test_what_was_decided_stays() -> None:
    met = {"type": "SuccessCriteriaMet", "status": "True", "reason": "SuccessPolicy", "message": "Matched rules at index 0"}
    one = job({"conditions": [met], "completedIndexes": "0"}, backoffLimit=0)
    found = [pod("a", "Failed", 1)]
    end = verdict(one, tally(one, found), found, world_of(one))
    assert end == ("Complete", "SuccessPolicy", "Matched rules at index 0")


def test_pods_that_still_run_when_a_job_succeeds_are_not_counted_as_failed() -> None:
    one = job(successPolicy=COUNT)
    ended = [pod("a", "Succeeded", 0), pod("b", "Succeeded", 1)]
    running = pod("c", "Running", 2)
    actions = planned(JobController(), one, *ended, running)
    touched = [(type(action), action.object.metadata.name) for action in actions if isinstance(action, Delete | Patch)]
    assert touched[:2] == [(Patch, "c"), (Delete, "c")], "let go before its deletion changes it"
    assert {action.object.metadata.name for action in actions if isinstance(action, Patch)} == {"a", "b", "c"}
    [status] = [action.object.status for action in actions if isinstance(action, UpdateStatus)]
    assert (status.succeeded, status.failed, status.uncountedTerminatedPods.failed) == (2, 0, [])


def test_pods_that_still_run_when_a_job_fails_are_counted_as_failed() -> None:
    one = job(backoffLimit=0)
    actions = planned(JobController(), one, pod("a", "Failed", 0), pod("b", "Running", 1))
    [status] = [action.object.status for action in actions if isinstance(action, UpdateStatus)]
    assert status.uncountedTerminatedPods.failed == ["a", "b"]


def test_a_job_that_is_being_deleted_makes_no_pods_and_lets_those_it_has_go() -> None:
    one = job()
    one.metadata.deletionTimestamp, one.metadata.finalizers = START, ["foregroundDeletion"]
    actions = planned(JobController(), one, pod("a", "Running", 0, deletionTimestamp=START, deletionGracePeriodSeconds=0))
    assert [type(action) for action in actions] == [UpdateStatus, Patch]


def test_the_next_pod_of_an_index_waits_and_says_how_often_it_has_failed() -> None:
    one = job(backoffLimitPerIndex=3, completions=2)
    failed = pod("a", "Failed", 0, failures=1)
    early = planned(JobController(), one, failed, pod("b", "Running", 1))
    assert [action.seconds for action in early if isinstance(action, RequeueAfter)] == [20.0]
    assert not [action for action in early if isinstance(action, Create | Patch)], "it keeps its finalizer until it is replaced"
    later = planned(JobController(), one, failed, pod("b", "Running", 1), now=EPOCH.replace(year=EPOCH.year + 1))
    [made] = [action.object for action in later if isinstance(action, Create)]
    assert (made.metadata.annotations[indexes.ANNOTATION], made.metadata.annotations[perindex.FAILURES]) == ("0", "2")
    replaced = planned(JobController(), one, failed, pod("c", "Running", 0, failures=2), pod("b", "Running", 1))
    [status] = [action.object.status for action in replaced if isinstance(action, UpdateStatus)]
    assert status.uncountedTerminatedPods.failed == ["a"]


def test_of_pods_that_share_an_index_one_stays() -> None:
    actions = planned(
        JobController(), job(), pod("a", "Pending", 0), pod("b", "Running", 0), pod("c", "Running", 1), pod("d", "Running", 2)
    )
    assert [action.object.metadata.name for action in actions if isinstance(action, Delete)] == ["a"]


JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec:
  completions: 3
  parallelism: 3
  completionMode: Indexed
  backoffLimitPerIndex: 1
  template:
    spec:
      restartPolicy: Never
      containers: [{name: work, image: "work:1"}]
"""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(nodes=1, clock="still") as one:
        yield one


def test_every_index_is_tried_as_often_as_it_may_fail(cluster: Cluster) -> None:
    for runtime in cluster.runtimes.values():
        runtime.behave("work:1", Behaviour(run_seconds=5, exit_code=1))
    cluster.apply(JOB)
    cluster.advance("1m")
    found = cluster.get(Job, "work")
    assert (found.status.failedIndexes, found.status.failed, found.status.active) == ("0-2", 6, 0)
    conditions = [(one.type, one.reason) for one in found.status.conditions]
    assert conditions == [("FailureTarget", "FailedIndexes"), ("Failed", "FailedIndexes")]
    counts = sorted((one.metadata.labels[indexes.ANNOTATION], one.metadata.annotations[perindex.FAILURES]) for one in cluster.list(Pod))
    assert counts == [(str(index), str(failures)) for index in range(3) for failures in range(2)]
    assert not any(FINALIZER in one.metadata.finalizers for one in cluster.list(Pod))


def test_a_job_ends_when_its_success_policy_is_met_and_the_rest_of_its_pods_go(cluster: Cluster) -> None:
    for runtime in cluster.runtimes.values():
        runtime.behave("work:1", Behaviour(run_seconds=30, exit_code=0))
    policy = "successPolicy: {rules: [{succeededCount: 1}]}"
    cluster.apply(JOB.replace("backoffLimitPerIndex: 1", policy).replace("parallelism: 3", "parallelism: 2"))
    cluster.advance("3s")
    cluster.delete(Pod, cluster.list(Pod, "default")[0].metadata.name)
    cluster.advance("2m")
    found = cluster.get(Job, "work")
    assert [(one.type, one.reason) for one in found.status.conditions] == [
        ("SuccessCriteriaMet", "SuccessPolicy"),
        ("Complete", "SuccessPolicy"),
    ]
    assert (found.status.active, found.status.terminating) == (0, 0)
    assert not any(FINALIZER in one.metadata.finalizers for one in cluster.list(Pod, "default"))
