"""NodeResourcesFit: a node must have room for what the Pod requests; the emptier it would stay, the better (LeastAllocated)."""

from __future__ import annotations

import numpy as np

from pilothouse.api.types.core_v1 import Node
from pilothouse.scheduler.facts import CPU, MEMORY, PODS, PodFacts, amount
from pilothouse.scheduler.framework.interfaces import Scores, Verdict, Wake
from pilothouse.scheduler.snapshot import Mask, NodeColumns

COUNTED = (CPU, MEMORY)
"""What the score looks at, in the order of `PodFacts.nonzero`."""


def is_large_enough(pod: PodFacts, _: Node | None, node: Node) -> bool:
    """Whether the Pod would fit the node if that were empty."""
    has = node.status.allocatable or node.status.capacity
    return all(not wanted or (name in has and wanted <= amount(name, has[name])) for name, wanted in pod.requests.items())


class NodeResourcesFit:
    """Filters by requested resources and scores by LeastAllocated."""

    name = "NodeResourcesFit"
    woken_by = (
        Wake("Node", "Add", is_large_enough),
        Wake("Node", "Allocatable", is_large_enough),
        Wake("Pod", "Delete"),
        Wake("Pod", "Resources"),
    )

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        """Nodes with room for every requested resource and for one more Pod."""
        full = nodes.requested[:, nodes.column[PODS]] + 1 > nodes.allocatable[:, nodes.column[PODS]]
        wanted = [(name, value) for name, value in pod.requests.items() if value > 0 and name != PODS]
        unknown = [name for name, _ in wanted if name not in nodes.column]
        known = [(name, value) for name, value in wanted if name in nodes.column]
        places = [nodes.column[name] for name, _ in known]
        amounts = np.array([value for _, value in known], np.int64)
        allocatable = nodes.allocatable[:, places]
        short = amounts > allocatable - nodes.requested[:, places]
        passes = ~(short.any(axis=1) | full)
        if unknown:
            passes = np.zeros_like(passes)

        def reasons(row: int) -> list[str]:
            said = ["Too many pods"] if full[row] else []
            said += [f"Insufficient {known[place][0]}" for place in np.flatnonzero(short[row])]
            return said + [f"Insufficient {name}" for name in unknown]

        never: Mask = np.asarray((amounts > allocatable).any(axis=1) | bool(unknown))
        return Verdict(passes, reasons, unresolvable=never)

    def score(self, pod: PodFacts, nodes: NodeColumns) -> Scores:
        """The mean free fraction of CPU and memory with this Pod, 0 to 100."""
        total = np.zeros(len(nodes.names), np.int64)
        counted = np.zeros(len(nodes.names), np.int64)
        for place, wanted in enumerate(pod.nonzero):
            capacity = nodes.allocatable[:, nodes.column[COUNTED[place]]]
            free = np.maximum(capacity - nodes.nonzero[:, place] - wanted, 0)
            total += free * 100 // np.maximum(capacity, 1)
            counted += capacity > 0
        result: Scores = total // np.maximum(counted, 1)
        return result

    def normalize(self, scores: Scores) -> Scores:
        """The scores as they are: they are between 0 and 100 already."""
        return scores
