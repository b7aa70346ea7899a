"""NodeResourcesBalancedAllocation: prefer nodes whose CPU and memory would be used in like proportion."""

from __future__ import annotations

import numpy as np

from pilothouse.scheduler.facts import CPU, MEMORY, PodFacts
from pilothouse.scheduler.framework.interfaces import Scores, Wake
from pilothouse.scheduler.snapshot import Mask, NodeColumns


class NodeResourcesBalancedAllocation:
    """Scores nodes by how alike the used fractions of CPU and memory would be."""

    name = "NodeResourcesBalancedAllocation"
    woken_by: tuple[Wake, ...] = ()

    def pre_score(self, pod: PodFacts, nodes: NodeColumns, feasible: Mask) -> bool:
        """Whether the Pod requests CPU or memory."""
        return any(pod.requests.get(name, 0) for name in (CPU, MEMORY))

    def score(self, pod: PodFacts, nodes: NodeColumns) -> Scores:
        """The more alike the fractions that are requested with this Pod, the higher: 0 to 100."""
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
        """The scores as they are: they are between 0 and 100 already."""
        return scores
