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
        fractions, present = [], np.ones(len(nodes.names), np.bool_)
        for name in (CPU, MEMORY):
            place = nodes.column[name]
            capacity = nodes.allocatable[:, place]
            used = nodes.requested[:, place] + pod.requests.get(name, 0)
            fractions.append(np.minimum(used / np.maximum(capacity, 1), 1.0))
            present &= capacity > 0
        deviation = np.where(present, np.abs(fractions[0] - fractions[1]) / 2, 0.0)
        return ((1 - deviation) * 100).astype(np.int64)

    def normalize(self, scores: Scores) -> Scores:
        return scores
