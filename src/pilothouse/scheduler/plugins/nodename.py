"""NodeName: a Pod that names its node goes there or nowhere."""

from __future__ import annotations

import numpy as np

from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import Verdict, Wake
from pilothouse.scheduler.snapshot import NodeColumns

REASON = ("node(s) didn't match the requested node name",)


class NodeName:
    """Filters by `spec.nodeName`."""

    name = "NodeName"
    woken_by = (Wake("Node", "Add"),)

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        """Only the named node passes; None when the Pod names none."""
        wanted = pod.pod.spec.nodeName
        if not wanted:
            return None
        passes = np.zeros_like(nodes.alive)
        if wanted in nodes.rows:
            passes[nodes.rows[wanted]] = True
        return Verdict(passes, lambda _: REASON, unresolvable=True)
