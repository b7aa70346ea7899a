"""How long virtual time takes: a day of three idle nodes, and 500 Pods behind a Service until all are Ready."""

from __future__ import annotations

import time

from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.testing.cluster import Cluster
from tests.bench.figure import report

PODS = 500
MANIFEST = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {PODS}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers: [{{name: web, image: "web:1"}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  selector: {{app: web}}
  ports: [{{port: 80}}]
"""
NODES = 6
STEP_SECONDS = 5
STEPS_LIMIT = 24


def idle_day() -> float:
    """Real seconds that 24 hours take in which nothing is asked of three nodes."""
    with Cluster(nodes=3, clock="still") as cluster:
        since = time.perf_counter()
        cluster.advance("24h")
        return time.perf_counter() - since


def many_pods() -> tuple[float, float]:
    """Real and virtual seconds from the apply until every Pod is Ready."""
    with Cluster(nodes=NODES, clock="still") as cluster:
        since = time.perf_counter()
        cluster.apply(MANIFEST)
        for step in range(1, STEPS_LIMIT + 1):
            cluster.advance(STEP_SECONDS)
            if cluster.get(Deployment, "web").status.readyReplicas == PODS:
                return time.perf_counter() - since, step * STEP_SECONDS
    raise TimeoutError(f"not all of {PODS} Pods are Ready")


def main() -> None:
    report("virtual_day_idle", idle_day(), "s", at_most=3.0)
    real, virtual = many_pods()
    report("virtual_500_pods_ready", real, "s", at_most=5.0)
    report("virtual_500_pods_ready_virtual", virtual, "s")


if __name__ == "__main__":
    main()
