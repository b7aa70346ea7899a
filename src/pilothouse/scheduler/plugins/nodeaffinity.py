"""NodeAffinity: nodeSelector and required node affinity filter, preferred node affinity scores."""

from __future__ import annotations

import numpy as np

from pilothouse.api.types.core_v1 import NodeAffinity as Affinity
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import PreFilterResult, Scores, Verdict, Wake
from pilothouse.scheduler.nodeselector import names_wanted, selected, term_matches
from pilothouse.scheduler.normalize import percent
from pilothouse.scheduler.snapshot import Mask, NodeColumns

REASON = ("node(s) didn't match Pod's node affinity/selector",)


def affinity_of(pod: PodFacts) -> Affinity | None:
    """The Pod's node affinity, or None."""
    affinity = pod.pod.spec.affinity
    return affinity.nodeAffinity if affinity else None


class NodeAffinity:
    """Filters by nodeSelector and required node affinity, scores by preferred node affinity."""

    name = "NodeAffinity"
    woken_by = (Wake("Node", "Add"), Wake("Node", "Labels"))

    def pre_filter(self, pod: PodFacts, nodes: NodeColumns) -> PreFilterResult | None:
        """Narrow the nodes to those that affinity to metadata.name names, as for Pods of DaemonSets."""
        affinity = affinity_of(pod)
        required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
        names = names_wanted(required) if required else None
        if names is None:
            return None
        return PreFilterResult(rejection="" if names else "pod affinity terms conflict", nodes=names)

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        """Nodes that match nodeSelector and the required terms; None when the Pod has neither."""
        affinity = affinity_of(pod)
        required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
        if not pod.pod.spec.nodeSelector and required is None:
            return None
        return Verdict(selected(pod.pod, nodes), lambda _: REASON, unresolvable=True)

    def pre_score(self, pod: PodFacts, nodes: NodeColumns, feasible: Mask) -> bool:
        """Whether the Pod has preferred node affinity."""
        affinity = affinity_of(pod)
        return bool(affinity and affinity.preferredDuringSchedulingIgnoredDuringExecution)

    def score(self, pod: PodFacts, nodes: NodeColumns) -> Scores:
        """Sum of the weights of the preferred terms that a node matches."""
        affinity = affinity_of(pod)
        total = np.zeros(len(nodes.names), np.int64)
        for preferred in affinity.preferredDuringSchedulingIgnoredDuringExecution if affinity else ():
            if preferred.weight:
                total += preferred.weight * term_matches(preferred.preference, nodes, empty=True)
        return total

    def normalize(self, scores: Scores) -> Scores:
        """Scale so that the greatest score becomes 100."""
        return percent(scores)
