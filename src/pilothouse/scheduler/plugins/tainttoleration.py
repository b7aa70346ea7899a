"""TaintToleration: a Pod keeps off nodes with taints that it does not tolerate; PreferNoSchedule only costs score.

Nodes with the same taints are judged once: the work is per distinct set of taints.
"""

from __future__ import annotations

import numpy as np

from pilothouse.api.core.tolerations import find_matching_untolerated_taint, tolerations_tolerate_taint
from pilothouse.api.types.core_v1 import Node
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import Scores, Verdict, Wake
from pilothouse.scheduler.normalize import reversed_percent
from pilothouse.scheduler.snapshot import Mask, NodeColumns

HARD = ("NoSchedule", "NoExecute")


def lets_in(pod: PodFacts, _: Node | None, node: Node) -> bool:
    """Whether the Pod tolerates the NoSchedule and NoExecute taints of a changed node."""
    return find_matching_untolerated_taint(pod.pod.spec.tolerations, node.spec.taints, HARD) is None


class TaintToleration:
    """Filters and scores by taints."""

    name = "TaintToleration"
    woken_by = (Wake("Node", "Add", lets_in), Wake("Node", "Taints", lets_in))

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        """Nodes whose NoSchedule and NoExecute taints the Pod tolerates; None when it tolerates all."""
        tolerations = pod.pod.spec.tolerations
        bad = [find_matching_untolerated_taint(tolerations, taints, HARD) for taints in nodes.taint_sets]
        if not any(bad):
            return None
        good = np.array([taint is None for taint in bad], np.bool_)

        def reasons(row: int) -> tuple[str]:
            taint = bad[nodes.taint_set[row]]
            assert taint is not None
            return (f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}",)

        return Verdict(good[nodes.taint_set], reasons, unresolvable=True)

    def pre_score(self, pod: PodFacts, nodes: NodeColumns, feasible: Mask) -> bool:
        """Whether any node has a PreferNoSchedule taint."""
        return any(taint.effect == "PreferNoSchedule" for taints in nodes.taint_sets for taint in taints)

    def score(self, pod: PodFacts, nodes: NodeColumns) -> Scores:
        """The number of PreferNoSchedule taints that the Pod does not tolerate."""
        tolerations = [toleration for toleration in pod.pod.spec.tolerations if toleration.effect in ("", "PreferNoSchedule")]
        counts = [
            sum(1 for taint in taints if taint.effect == "PreferNoSchedule" and not tolerations_tolerate_taint(tolerations, taint))
            for taints in nodes.taint_sets
        ]
        return np.array(counts, np.int64)[nodes.taint_set]

    def normalize(self, scores: Scores) -> Scores:
        """Reverse and scale: no such taint gives 100."""
        return reversed_percent(scores)
