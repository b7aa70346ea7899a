"""NodeResourcesBalancedAllocation: prefer nodes whose CPU and memory would be used in like proportion."""

from __future__ import annotations

import numpy as np

from pilothouse.scheduler.facts import CPU, MEMORY, PodFacts
from pilothouse.scheduler.framework.interfaces import Scores, Wake
from pilothouse.scheduler.snapshot import Mask, NodeColumns


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"
    woken_by: tuple[Wake, ...] = ()

    def pre_score(self, pod: PodFacts, nodes: NodeColumns, feasible: Mask) -> bool:
        return any(pod.requests.get(name, 0) for name in (CPU, MEMORY))

    def score(self, pod: PodFacts, nodes: NodeColumns) -> Scores:
        places = [nodes.column[CPU], nodes.column[MEMORY]]
        capacity = nodes.allocatable[:, places]
        used = nodes.requested[:, places] + np.array([pod.requests.get(CPU, 0), pod.requests.get(MEMORY, 0)], np.int64)
        fractions = np.minimum(used / np.where(capacity > 0, capacity, 1), 1.0)
        difference = np.where((capacity > 0).all(axis=1), np.abs(fractions[:, 0] - fractions[:, 1]) / 2, 0.0)
        return ((1 - difference) * 100).astype(np.int64)

    def normalize(self, scores: Scores) -> Scores:
        return scores
