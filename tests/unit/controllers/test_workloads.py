"""Workloads on a whole cluster in virtual time: the controllers with the real scheduler and the kubelet's own planner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from pilothouse.api.types.apps_v1 import ControllerRevision, DaemonSet, StatefulSet
from pilothouse.api.types.batch_v1 import CronJob, Job
from pilothouse.api.types.core_v1 import Node, Pod
from pilothouse.client.call import Options
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from pilothouse.testing.cluster import Cluster

DAEMONS = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      containers: [{name: agent, image: "agent:1"}]
"""


@pytest.fixture
def three_nodes() -> Iterator[Cluster]:
    with Cluster(nodes=3, clock="still") as cluster:
        yield cluster


def images(cluster: Cluster) -> Counter[str]:
    return Counter(one.spec.containers[0].image for one in cluster.list(Pod, "default") if not one.metadata.deletionTimestamp)


def test_a_daemonset_runs_once_on_every_node_and_rolls_out_its_template(three_nodes: Cluster) -> None:
    three_nodes.apply(DAEMONS)
    three_nodes.advance("30s")
    found = three_nodes.list(Pod, "default")
    assert {one.spec.nodeName for one in found} == {one.metadata.name for one in three_nodes.list(Node)}
    status = three_nodes.get(DaemonSet, "agent").status
    assert (status.desiredNumberScheduled, status.numberReady, status.numberAvailable, status.updatedNumberScheduled) == (3, 3, 3, 3)
    three_nodes.apply(DAEMONS.replace("agent:1", "agent:2"))
    three_nodes.advance("5m")
    assert images(three_nodes) == {"agent:2": 3}
    assert sorted(one.revision for one in three_nodes.list(ControllerRevision)) == [1, 2]
    three_nodes.apply(DAEMONS)
    three_nodes.advance("5m")
    assert images(three_nodes) == {"agent:1": 3}
    assert sorted(one.revision for one in three_nodes.list(ControllerRevision)) == [2, 3]


def test_a_daemonset_heeds_node_selectors_and_replaces_what_is_deleted(three_nodes: Cluster) -> None:
    three_nodes.apply(DAEMONS.replace("    spec:\n      containers", "    spec:\n      nodeSelector: {disk: fast}\n      containers"))
    three_nodes.advance("10s")
    assert three_nodes.list(Pod, "default") == []
    name = three_nodes.list(Node)[0].metadata.name
    three_nodes.run(three_nodes.client.patch(Node, name, "", b'{"metadata":{"labels":{"disk":"fast"}}}'))
    three_nodes.advance("30s")
    [only] = three_nodes.list(Pod, "default")
    assert only.spec.nodeName == name
    three_nodes.delete(Pod, only.metadata.name)
    three_nodes.advance("2m")
    assert [one.spec.nodeName for one in three_nodes.list(Pod, "default")] == [name]
    three_nodes.run(three_nodes.client.patch(Node, name, "", b'{"metadata":{"labels":{"disk":null}}}'))
    three_nodes.advance("2m")
    assert three_nodes.list(Pod, "default") == []


JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec:
  completions: 4
  parallelism: 2
  backoffLimit: 2
  template:
    spec:
      restartPolicy: Never
      containers: [{name: work, image: "work:1"}]
"""


def behave(cluster: Cluster, image: str, exit_code: int) -> None:
    """Containers of the image run for five seconds."""
    for runtime in cluster.runtimes.values():
        runtime.behave(image, Behaviour(run_seconds=5, exit_code=exit_code))


def conditions(job: Job) -> list[tuple[str, str]]:
    return [(one.type, one.reason) for one in job.status.conditions if one.status == "True"]


@pytest.mark.parametrize("mode", ["NonIndexed", "Indexed"])
def test_a_job_completes_when_enough_have_succeeded(three_nodes: Cluster, mode: str) -> None:
    behave(three_nodes, "work:1", 0)
    three_nodes.apply(JOB.replace("completions: 4", f"completions: 4\n  completionMode: {mode}"))
    three_nodes.advance("3s")
    assert len(three_nodes.list(Pod, "default")) == 2
    three_nodes.advance("2m")
    job = three_nodes.get(Job, "work")
    assert (job.status.succeeded, job.status.failed, job.status.active) == (4, 0, 0)
    assert conditions(job) == [("SuccessCriteriaMet", "CompletionsReached"), ("Complete", "CompletionsReached")]
    assert job.status.completedIndexes == ("0-3" if mode == "Indexed" else "")
    assert job.status.completionTime
    assert all(one.metadata.finalizers == [] for one in three_nodes.list(Pod, "default"))


def test_a_job_fails_when_its_pods_fail_too_often_and_waits_longer_each_time(three_nodes: Cluster) -> None:
    behave(three_nodes, "work:1", 1)
    three_nodes.apply(JOB.replace("parallelism: 2", "parallelism: 1"))
    three_nodes.advance("12s")
    assert len(three_nodes.list(Pod, "default")) == 1
    three_nodes.advance("5m")
    job = three_nodes.get(Job, "work")
    assert (job.status.succeeded, job.status.failed) == (0, 3)
    assert conditions(job) == [("FailureTarget", "BackoffLimitExceeded"), ("Failed", "BackoffLimitExceeded")]


def test_a_job_fails_at_once_where_its_policy_says_so(three_nodes: Cluster) -> None:
    behave(three_nodes, "work:1", 42)
    policy = "podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [42]}}]}"
    three_nodes.apply(JOB.replace("backoffLimit: 2", f"backoffLimit: 2\n  {policy}"))
    three_nodes.advance("1m")
    job = three_nodes.get(Job, "work")
    assert conditions(job) == [("FailureTarget", "PodFailurePolicy"), ("Failed", "PodFailurePolicy")]
    assert job.status.conditions[-1].message.endswith("failed with exit code 42 matching FailJob rule at index 0")
    assert job.status.active == 0


def test_a_job_that_takes_too_long_or_is_suspended_has_no_pods(three_nodes: Cluster) -> None:
    three_nodes.apply(JOB.replace("completions: 4", "suspend: true\n  activeDeadlineSeconds: 60"))
    three_nodes.advance("2m")
    assert three_nodes.list(Pod, "default") == []
    assert conditions(three_nodes.get(Job, "work")) == [("Suspended", "JobSuspended")]
    three_nodes.run(three_nodes.client.patch(Job, "work", "default", b'{"spec":{"suspend":false}}'))
    three_nodes.advance("30s")
    assert len(three_nodes.list(Pod, "default")) == 2
    three_nodes.advance("2m")
    assert conditions(three_nodes.get(Job, "work"))[-1] == ("Failed", "DeadlineExceeded")
    assert [one for one in three_nodes.list(Pod, "default") if one.status.phase == "Running"] == []


def test_the_pods_of_a_job_go_with_it(three_nodes: Cluster) -> None:
    behave(three_nodes, "work:1", 0)
    three_nodes.apply(JOB)
    three_nodes.advance("8s")
    three_nodes.delete(Job, "work", options=Options(propagation_policy="Background"))
    three_nodes.advance("2m")
    assert three_nodes.list(Pod, "default") == []


STATEFUL = """
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 2
      containers: [{name: db, image: "db:1"}]
"""


def names(cluster: Cluster) -> list[str]:
    return sorted(one.metadata.name for one in cluster.list(Pod, "default"))


def test_a_statefulset_starts_in_order_and_ends_from_the_last(three_nodes: Cluster) -> None:
    for runtime in three_nodes.runtimes.values():
        runtime.behave("db:1", Behaviour(start_seconds=5))
    three_nodes.apply(STATEFUL)
    three_nodes.advance("3s")
    assert names(three_nodes) == ["db-0"]
    three_nodes.advance("1m")
    assert names(three_nodes) == ["db-0", "db-1", "db-2"]
    created = [one.metadata.creationTimestamp for one in sorted(three_nodes.list(Pod, "default"), key=lambda one: one.metadata.name)]
    assert created == sorted({*created})
    one = three_nodes.get(Pod, "db-1")
    assert (one.spec.hostname, one.spec.subdomain, one.metadata.labels["apps.kubernetes.io/pod-index"]) == ("db-1", "db", "1")
    three_nodes.delete(Pod, "db-1")
    three_nodes.advance("1m")
    assert names(three_nodes) == ["db-0", "db-1", "db-2"]
    three_nodes.apply(STATEFUL.replace("replicas: 3", "replicas: 1"))
    three_nodes.advance("1m")
    assert names(three_nodes) == ["db-0"]


def test_a_statefulset_rolls_out_down_to_its_partition(three_nodes: Cluster) -> None:
    three_nodes.apply(STATEFUL)
    three_nodes.advance("1m")
    newer = STATEFUL.replace("db:1", "db:2")
    three_nodes.apply(newer.replace("serviceName: db", "serviceName: db\n  updateStrategy: {rollingUpdate: {partition: 2}}"))
    three_nodes.advance("2m")
    found = {one.metadata.name: one.spec.containers[0].image for one in three_nodes.list(Pod, "default")}
    assert found == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:2"}
    three_nodes.delete(Pod, "db-0")
    three_nodes.advance("1m")
    assert three_nodes.get(Pod, "db-0").spec.containers[0].image == "db:1"
    three_nodes.apply(newer.replace("serviceName: db", "serviceName: db\n  updateStrategy: {rollingUpdate: {partition: 0}}"))
    three_nodes.advance("2m")
    assert images(three_nodes) == {"db:2": 3}
    status = three_nodes.get(StatefulSet, "db").status
    assert (status.replicas, status.readyReplicas, status.updatedReplicas, status.currentReplicas) == (3, 3, 3, 3)
    assert status.currentRevision == status.updateRevision


CRON = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "*/10 * * * *"
  concurrencyPolicy: POLICY
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: work, image: "work:1"}]
"""


def test_a_cronjob_makes_jobs_in_time_and_keeps_three(three_nodes: Cluster) -> None:
    behave(three_nodes, "work:1", 0)
    three_nodes.apply(CRON.replace("POLICY", "Allow"))
    three_nodes.advance("1h1m")
    jobs = three_nodes.list(Job)
    assert len(jobs) == 3
    starts = sorted(one.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] for one in jobs)
    assert [one[11:16] for one in starts] == ["00:40", "00:50", "01:00"]
    cron = three_nodes.get(CronJob, "tick")
    assert (cron.status.lastScheduleTime, cron.status.active) == ("2025-01-01T01:00:00Z", [])
    assert cron.status.lastSuccessfulTime > "2025-01-01T01:00:00Z"


@pytest.mark.parametrize(("policy", "jobs"), [("Allow", 3), ("Forbid", 1), ("Replace", 1)])
def test_what_happens_to_a_cronjob_whose_last_job_still_runs(three_nodes: Cluster, policy: str, jobs: int) -> None:
    three_nodes.apply(CRON.replace("POLICY", policy))
    three_nodes.advance("32m")
    assert len(three_nodes.list(Job)) == jobs
    [*found] = three_nodes.list(Job)
    newest = max(one.metadata.creationTimestamp for one in found)
    assert newest.startswith("2025-01-01T00:10" if policy == "Forbid" else "2025-01-01T00:30")


def test_a_cronjob_keeps_to_the_wall_of_its_zone_and_says_so(three_nodes: Cluster) -> None:
    daily = CRON.replace("POLICY", "Allow").replace('"*/10 * * * *"', '"30 9 * * *"\n  timeZone: Asia/Tokyo')
    three_nodes.apply(daily)
    three_nodes.advance("1h")
    [job] = three_nodes.list(Job)
    assert job.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2025-01-01T09:30:00+09:00"
    assert job.metadata.creationTimestamp == "2025-01-01T00:30:00Z"


def test_pods_that_a_job_lets_go_can_be_deleted(three_nodes: Cluster) -> None:
    three_nodes.apply(JOB)
    three_nodes.advance("5s")
    three_nodes.delete(Job, "work", options=Options(propagation_policy="Orphan"))
    three_nodes.advance("10s")
    left = three_nodes.list(Pod, "default")
    assert [(one.metadata.ownerReferences, one.metadata.finalizers) for one in left] == [([], [])] * 2
    for one in left:
        three_nodes.delete(Pod, one.metadata.name)
    three_nodes.advance("1m")
    assert three_nodes.list(Pod, "default") == []


def test_a_job_counts_pods_that_it_adopts(three_nodes: Cluster) -> None:
    behave(three_nodes, "work:1", 0)
    labels = "labels: {work: mine}"
    spec = "restartPolicy: Never, containers: [{name: work, image: 'work:1'}]"
    for number in range(4):
        three_nodes.apply(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: early-{number}, {labels}}}\nspec: {{{spec}}}")
    three_nodes.advance("1s")
    selecting = "selector: {matchLabels: {work: mine}}\n  manualSelector: true\n  template:\n    metadata: {labels: {work: mine}}"
    three_nodes.apply(JOB.replace("parallelism: 2", "parallelism: 4").replace("template:", selecting, 1))
    three_nodes.advance("1m")
    assert sorted(one.metadata.name for one in three_nodes.list(Pod, "default")) == [f"early-{number}" for number in range(4)]
    job = three_nodes.get(Job, "work")
    assert (job.status.succeeded, conditions(job)[-1]) == (4, ("Complete", "CompletionsReached"))
    assert not any(one.metadata.finalizers for one in three_nodes.list(Pod, "default"))
