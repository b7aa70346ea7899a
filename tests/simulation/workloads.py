"""A seeded story of the other workloads: a StatefulSet, a DaemonSet, Jobs and a CronJob on nodes that come and go.

- Never do two Pods of one number of the StatefulSet run at once, wherever: that is what its name promises.
- Never has a node two daemons, a Job more Pods than may run, an index two.
- In the end every Job has succeeded and every set has what it asks for; no Pod is held by a finalizer.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from pilothouse.api.types.apps_v1 import DaemonSet, StatefulSet
from pilothouse.api.types.batch_v1 import CronJob, Job
from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.runtime.containers import ContainerState
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from pilothouse.testing.cluster import Cluster
from tests.simulation.faults import Faults

NODES, STEPS, PARALLELISM, COMPLETIONS = 4, 15, 2, 4
SETS = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: REPLICAS
  podManagementPolicy: POLICY
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: "IMAGE"}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: main, image: "IMAGE"}]}
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: NAME}
spec:
  completions: 4
  parallelism: 2
  completionMode: Indexed
  backoffLimit: 1000
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: "work:1"}]}
"""
CRON = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "*/7 * * * *"
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      backoffLimit: 1000
      template:
        spec: {restartPolicy: Never, containers: [{name: main, image: "work:1"}]}
"""


class Workloads:
    """One history. `tell` plays it; `steps` is what was done."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.steps: list[str] = []
        self._random = random.Random(seed)
        self._policy = self._random.choice(["OrderedReady", "Parallel"])
        self._replicas, self._image, self._jobs = 3, "app:1", 0
        self._faults = Faults(cluster, self._random, self.steps, (None, 5))
        cluster.behave("work:1", Behaviour(run_seconds=20))

    def tell(self) -> None:
        self.cluster.apply(CRON)
        self._apply()
        self._job()
        self._wait()
        chances: list[tuple[Callable[[], None], int]] = [
            (self._scale, 2),
            (self._update, 2),
            (self._job, 2),
            (self._faults.delete_pod, 4),
            (self._faults.crash, 4),
            (self._faults.stop_node, 2),
            (self._faults.start_node, 3),
        ]
        for _ in range(STEPS):
            self._random.choices([one for one, _ in chances], [weight for _, weight in chances])[0]()
            self._wait()
        self._recover()

    # Steps.

    def _apply(self) -> None:
        self.steps.append(f"apply {self._replicas} {self._image}")
        sets = SETS.replace("REPLICAS", str(self._replicas)).replace("POLICY", self._policy)
        self.cluster.apply(sets.replace("IMAGE", self._image))

    def _scale(self) -> None:
        self._replicas = self._random.randint(0, 5)
        self._apply()

    def _update(self) -> None:
        self._image = self._random.choice(["app:1", "app:2", "app:3"])
        self._apply()

    def _job(self) -> None:
        self._jobs += 1
        self.steps.append(f"job-{self._jobs}")
        self.cluster.apply(JOB.replace("NAME", f"job-{self._jobs}"))

    # What must be true.

    def check(self) -> None:
        self._check_numbers()
        active = [
            pod for pod in self._faults.pods() if not pod.metadata.deletionTimestamp and pod.status.phase not in ("Succeeded", "Failed")
        ]
        daemons = Counter(pod.spec.nodeName for pod in active if pod.metadata.labels.get("app") == "agent" and pod.spec.nodeName)
        assert max(daemons.values(), default=0) <= 1, (daemons, self.steps)
        jobs = Counter(pod.metadata.labels["batch.kubernetes.io/job-name"] for pod in active if _index(pod) is not None)
        assert max(jobs.values(), default=0) <= PARALLELISM, (jobs, self.steps)
        indexes = Counter((pod.metadata.labels["batch.kubernetes.io/job-name"], _index(pod)) for pod in active if _index(pod) is not None)
        assert max(indexes.values(), default=0) <= 1, (indexes, self.steps)

    def _check_numbers(self) -> None:
        running: dict[str, set[str]] = {}
        for runtime in self.cluster.runtimes.values():
            for held in runtime.containers.values():
                pod = runtime.sandboxes[held.status.container.sandbox_id].config
                if held.status.container.state is ContainerState.RUNNING and pod.name.startswith("db-"):
                    running.setdefault(pod.name, set()).add(pod.uid)
        assert all(len(uids) == 1 for uids in running.values()), (running, self.steps)

    def _check_converged(self) -> None:
        db, agent = self.cluster.get(StatefulSet, "db"), self.cluster.get(DaemonSet, "agent")
        assert (db.status.replicas, db.status.readyReplicas, db.status.updatedReplicas) == (self._replicas,) * 3, (db.status, self.steps)
        assert (agent.status.numberReady, agent.status.updatedNumberScheduled) == (NODES, NODES), (agent.status, self.steps)
        for number in range(1, self._jobs + 1):
            job = self.cluster.get(Job, f"job-{number}")
            assert [one.type for one in job.status.conditions] == ["SuccessCriteriaMet", "Complete"], (job.status, self.steps)
            assert (job.status.succeeded, job.status.completedIndexes) == (COMPLETIONS, f"0-{COMPLETIONS - 1}")
        pods = self._faults.pods()
        held = [pod.metadata.name for pod in pods if pod.metadata.finalizers and pod.status.phase in ("Succeeded", "Failed")]
        assert held == [], self.steps
        cron = self.cluster.get(CronJob, "tick")
        assert len(cron.status.active) <= 1
        assert cron.status.lastSuccessfulTime

    def _wait(self) -> None:
        seconds = self._random.choice([0.3, 2, 20, 90, 400, 1800])
        for part in (0.0, 0.1, 0.9):
            self.cluster.advance(seconds * part)
            self.check()

    def _recover(self) -> None:
        """The faults are over."""
        self._faults.end()
        self._image, self._replicas = "app:9", 3
        self._apply()
        self.cluster.advance("45m")
        self.check()
        # A Job of the schedule may be under way at any moment: looked at when it is not.
        self.cluster.advance("2m")
        self._check_converged()


def _index(pod: Pod) -> str | None:
    return pod.metadata.annotations.get("batch.kubernetes.io/job-completion-index")
