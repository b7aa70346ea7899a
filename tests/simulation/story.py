"""A seeded story of one cluster: random steps and faults in virtual time, and what must be true after each.

- Every choice comes from the seed: a story that fails is told again by its seed alone.
- Invariants hold at every step; what asks for time (convergence) is asked for after the faults have stopped.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.core_v1 import Event
from pilothouse.kubelet.runtime.containers import ContainerState
from pilothouse.testing.cluster import Cluster
from tests.simulation.faults import Faults

NODES, STEPS, SURGE = 4, 20, 1
BAD_IMAGE = "bad:1"
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 1}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "IMAGE"}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80}]
"""


class Story:
    """One history. `tell` plays it; `steps` is what was done."""

    def __init__(self, cluster: Cluster, seed: int, length: int = STEPS) -> None:
        self.cluster = cluster
        self.steps: list[str] = []
        self.ended: list[tuple[str, ...]] = []
        self.replicas, self.most, self.image = 3, 3, "web:1"
        self._random = random.Random(seed)
        self._length = length
        self._faults = Faults(cluster, self._random, self.steps, (None, 0, 5))
        self._places: dict[str, str] = {}
        cluster.images_fail(BAD_IMAGE)

    def tell(self) -> None:
        self._apply()
        self._wait()
        chances: list[tuple[Callable[[], None], int]] = [
            (self.scale, 4),
            (self.update, 4),
            (self._faults.delete_pod, 4),
            (self._faults.crash, 4),
            (self._faults.stop_node, 2),
            (self._faults.start_node, 3),
        ]
        for _ in range(self._length):
            step = self._random.choices([one for one, _ in chances], [weight for _, weight in chances])[0]
            step()
            self._wait()
        self._recover()

    # Steps.

    def scale(self) -> None:
        self.replicas = self._random.randint(0, 8)
        self._apply()

    def update(self) -> None:
        self.image = self._random.choice(["web:1", "web:2", "web:3", BAD_IMAGE])
        self._apply()

    # What must be true.

    def check(self) -> None:
        pods = self._faults.pods()
        alive = [pod for pod in pods if not pod.metadata.deletionTimestamp and pod.status.phase not in ("Succeeded", "Failed")]
        assert len(alive) <= self.most + SURGE, f"{len(alive)} pods for {self.most} replicas"
        for pod in pods:
            node, known = pod.spec.nodeName, self._places.get(pod.metadata.uid)
            assert not known or node == known, f"{pod.metadata.name} moved from {known} to {node}"
            self._places[pod.metadata.uid] = node
        shown = [pod.status.podIP for pod in alive if pod.status.phase == "Running" and pod.status.podIP]
        assert len(shown) == len(set(shown)), f"one address for two pods: {sorted(shown)}"
        self._check_runtimes()

    def _check_runtimes(self) -> None:
        """No container of a pod runs twice."""
        for name, runtime in self.cluster.runtimes.items():
            running = Counter(
                (runtime.sandboxes[held.status.container.sandbox_id].config.uid, held.config.name)
                for held in runtime.containers.values()
                if held.status.container.state is ContainerState.RUNNING
            )
            assert all(count == 1 for count in running.values()), f"a container runs twice on {name}: {running}"

    def check_converged(self) -> None:
        deployment = self.cluster.get(Deployment, "web")
        pods = self._faults.pods()
        assert deployment.status.readyReplicas == self.replicas, (deployment.status, self.steps)
        assert len(pods) == self.replicas, [(pod.metadata.name, pod.status.phase) for pod in pods]
        assert {pod.spec.containers[0].image for pod in pods} <= {self.image}

    def history(self) -> list[tuple[str, ...]]:
        """What the cluster's events tell of it."""
        events = sorted(self.cluster.list(Event), key=lambda one: int(one.metadata.resourceVersion))
        return [(one.metadata.name, one.lastTimestamp, one.reason, one.message) for one in events]

    def _apply(self) -> None:
        self.steps.append(f"apply {self.replicas} {self.image}")
        self.cluster.apply(MANIFEST.replace("REPLICAS", str(self.replicas)).replace("IMAGE", self.image))

    def _wait(self) -> None:
        """Some time, looked at now and then: seconds at one time, an hour at another."""
        self.most = max(self.most, self.replicas)
        seconds = self._random.choice([0.3, 2, 20, 90, 400, 3600])
        for part in (0.0, 0.1, 0.9):
            self.cluster.advance(seconds * part)
            self.check()
        if seconds >= 20:
            self.most = self.replicas

    def _recover(self) -> None:
        """The faults are over."""
        self._faults.end()
        self.image = "web:9"
        self._apply()
        self.cluster.advance("45m")
        self.check()
        self.check_converged()
