"""`testing.Cluster()` with three simulated nodes Ready: how long a test waits for its cluster."""

from __future__ import annotations

import time

from pilothouse.testing.cluster import Cluster
from tests.bench.figure import p50, report

ROUNDS = 10


def once() -> float:
    since = time.perf_counter()
    with Cluster(nodes=3):
        return time.perf_counter() - since


def main() -> None:
    cold = once()
    report("testing_cluster_first", cold, "s")
    report("testing_cluster_p50", p50([once() for _ in range(ROUNDS)]), "s", at_most=0.5)


if __name__ == "__main__":
    main()
