"""NodeResourcesFit: a node must have room for what the Pod requests; the emptier it would stay, the better (LeastAllocated)."""

from __future__ import annotations

import numpy as np

from pilothouse.scheduler.facts import CPU, MEMORY, PODS, PodFacts
from pilothouse.scheduler.framework.interfaces import Scores, Verdict, Wake
from pilothouse.scheduler.snapshot import Mask, NodeColumns


class NodeResourcesFit:
    name = "NodeResourcesFit"
    woken_by = (Wake("Node", "Add"), Wake("Node", "Allocatable"), Wake("Pod", "Delete"), Wake("Pod", "Resources"))

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
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
        capacity = nodes.allocatable[:, [nodes.column[CPU], nodes.column[MEMORY]]]
        used = nodes.nonzero + np.array(pod.nonzero, np.int64)
        present = capacity > 0
        free = np.where(present, np.maximum(capacity - used, 0), 0)
        # Floats divide several times faster; whole numbers below 2^46 lose nothing by it.
        shares = np.floor(free * 100.0 / np.where(present, capacity, 1))
        counted = np.maximum(present.sum(axis=1), 1)
        result: Scores = np.floor(shares.sum(axis=1) / counted).astype(np.int64)
        return result

    def normalize(self, scores: Scores) -> Scores:
        return scores
