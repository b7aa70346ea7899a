"""PodTopologySpread: spreads the Pods that match a constraint's selector over the domains of a topology key.

- Hard constraints (DoNotSchedule) filter, soft ones (ScheduleAnyway) score.
- A Pod that has no constraints is spread softly over hosts and zones from its siblings (`scheduler/siblings.py`), as upstream's
  default constraints have it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from pilothouse.api import wellknown
from pilothouse.api.core.tolerations import find_matching_untolerated_taint
from pilothouse.api.types.core_v1 import Pod, TopologySpreadConstraint
from pilothouse.machinery.labels import Selector, from_label_selector
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import Scores, Verdict, Wake
from pilothouse.scheduler.nodeselector import selected
from pilothouse.scheduler.siblings import Siblings
from pilothouse.scheduler.snapshot import Mask, NodeColumns
from pilothouse.scheduler.topology import domains, has_label, on_rows, per_domain

SKEWED = ("node(s) didn't match pod topology spread constraints",)
UNLABELLED = ("node(s) didn't match pod topology spread constraints (missing required label)",)
DEFAULTS = (
    TopologySpreadConstraint(topologyKey=wellknown.HOSTNAME, maxSkew=3, whenUnsatisfiable="ScheduleAnyway"),
    TopologySpreadConstraint(topologyKey=wellknown.TOPOLOGY_ZONE, maxSkew=5, whenUnsatisfiable="ScheduleAnyway"),
)
HARD, SOFT = "DoNotSchedule", "ScheduleAnyway"
FEASIBLE = "PodTopologySpread/feasible"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A topology spread constraint with its selector compiled. `key` identifies what it counts."""

    spec: TopologySpreadConstraint
    selector: Selector
    key: Hashable
    counts: Callable[[Pod], bool]


def compiled(pod: PodFacts, specs: Sequence[TopologySpreadConstraint], selector: Selector | None = None) -> list[Constraint]:
    """The constraints with their selectors compiled; `selector` is used instead of each constraint's own when given."""
    namespace, labels = pod.pod.metadata.namespace, pod.pod.metadata.labels

    def constraint(spec: TopologySpreadConstraint) -> Constraint:
        chosen = selector if selector is not None else from_label_selector(spec.labelSelector)
        also = {key: labels[key] for key in spec.matchLabelKeys if key in labels}
        nobody = chosen.never or (chosen.everything and not also)  # upstream counts none for an empty selector

        def counts(other: Pod) -> bool:
            meta = other.metadata
            if nobody or meta.namespace != namespace or meta.deletionTimestamp:
                return False
            return chosen.matches(meta.labels) and all(meta.labels.get(key) == value for key, value in also.items())

        return Constraint(spec, chosen, ("spread", namespace, str(chosen), tuple(also.items()), nobody), counts)

    return [constraint(spec) for spec in specs]


def counted_nodes(pod: PodFacts, nodes: NodeColumns, constraint: Constraint, keys: Mask) -> Mask:
    """Rows of the nodes whose Pods count: with all topology keys, and admitted by nodeAffinityPolicy and nodeTaintsPolicy."""
    rows = nodes.alive & keys
    if (constraint.spec.nodeAffinityPolicy or "Honor") == "Honor":
        rows = rows & selected(pod.pod, nodes)
    if constraint.spec.nodeTaintsPolicy == "Honor":
        bad = [
            find_matching_untolerated_taint(pod.pod.spec.tolerations, taints, ("NoSchedule", "NoExecute")) for taints in nodes.taint_sets
        ]
        rows = rows & np.array([taint is None for taint in bad], np.bool_)[nodes.taint_set]
    return rows


class PodTopologySpread:
    """Filters and scores by topology spread. `siblings` gives the selector of the default constraints."""

    name = "PodTopologySpread"

    def __init__(self, siblings: Siblings) -> None:
        self._siblings = siblings
        self.woken_by = (
            Wake("Node", "Add"),
            Wake("Node", "Delete"),
            Wake("Node", "Labels"),
            Wake("Node", "Taints"),
            Wake("Pod", "Add", self._is_counted),
            Wake("Pod", "Delete"),
            Wake("Pod", "Labels"),
            Wake("Pod", "Terminating"),
        )

    def _is_counted(self, pod: PodFacts, _: Pod | None, new: Pod) -> bool:
        """Whether a Pod that has found its node counts for a constraint: where there are fewest there is one more, then."""
        return any(constraint.counts(new) for constraint in self._constraints(pod, HARD))

    def _constraints(self, pod: PodFacts, how: str) -> list[Constraint]:
        """The Pod's hard or soft constraints; compiled once a Pod."""
        key = f"{self.name}/{how}"
        if key not in pod.scratch:
            own = pod.pod.spec.topologySpreadConstraints
            pod.scratch[key] = compiled(pod, [spec for spec in own if (spec.whenUnsatisfiable or HARD) == how])
            if how == SOFT and not own:
                selector = self._siblings(pod.pod)
                pod.scratch[key] = [] if selector.everything else compiled(pod, DEFAULTS, selector)
        constraints: list[Constraint] = pod.scratch[key]
        return constraints

    def may_share(self, pod: PodFacts) -> bool:
        """Always true: matching Pods are counted again for every Pod."""
        return True

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        """Nodes that have every topology key and stay within maxSkew of each DoNotSchedule constraint."""
        constraints = self._constraints(pod, HARD)
        if not constraints:
            return None
        all_nodes = nodes.all_nodes
        labelled = np.ones_like(all_nodes.alive)
        for constraint in constraints:
            labelled &= has_label(all_nodes.label(constraint.spec.topologyKey))
        passes, missing = np.ones_like(all_nodes.alive), np.zeros_like(all_nodes.alive)
        for constraint in constraints:  # a node is told the first thing that is wrong with it
            present = has_label(all_nodes.label(constraint.spec.topologyKey))
            missing |= passes & ~present
            passes &= present & self._even(pod, nodes, constraint, labelled)
        cut = nodes.cut(missing)
        return Verdict(nodes.cut(passes), lambda row: UNLABELLED if cut[row] else SKEWED, unresolvable=cut)

    def _even(self, pod: PodFacts, nodes: NodeColumns, constraint: Constraint, labelled: Mask) -> Mask:
        """The rows where one Pod more would not exceed the skew."""
        all_nodes = nodes.all_nodes
        labels = all_nodes.label(constraint.spec.topologyKey)
        counted = counted_nodes(pod, all_nodes, constraint, labelled)
        counts = nodes.pods_matching(constraint.key, constraint.counts)
        present = domains(labels, counted)
        sums = per_domain(labels, counts, counted)
        least = int(sums[present].min()) if len(present) else 0
        if constraint.spec.minDomains and len(present) < constraint.spec.minDomains:
            least = 0
        itself = int(constraint.selector.matches(pod.pod.metadata.labels))
        return np.asarray(sums[labels.ids] + itself - least <= constraint.spec.maxSkew)

    def pre_score(self, pod: PodFacts, nodes: NodeColumns, feasible: Mask) -> bool:
        """Whether the Pod has ScheduleAnyway constraints, its own or the default ones."""
        pod.scratch[FEASIBLE] = feasible
        return bool(self._constraints(pod, SOFT))

    def score(self, pod: PodFacts, nodes: NodeColumns) -> Scores:
        """Raw: matching Pods of the domain, weighted by how many domains the feasible nodes have; -1 where a label is missing."""
        all_nodes = nodes.all_nodes
        constraints = self._constraints(pod, SOFT)
        labelled = np.ones_like(all_nodes.alive)
        for constraint in constraints if pod.pod.spec.topologySpreadConstraints else ():
            labelled &= has_label(all_nodes.label(constraint.spec.topologyKey))
        candidates = pod.scratch[FEASIBLE] & labelled
        total = np.zeros(len(all_nodes.names), np.float64)
        for constraint in constraints:
            labels = all_nodes.label(constraint.spec.topologyKey)
            counts, present = nodes.pods_matching(constraint.key, constraint.counts), has_label(labels)
            if constraint.spec.topologyKey == wellknown.HOSTNAME:  # each node is a domain, and no policy leaves any out
                size, sums = int(candidates.sum()), counts
            else:
                size = len(domains(labels, candidates)) + bool((candidates & ~present).any())
                sums = on_rows(labels, counts, counted_nodes(pod, all_nodes, constraint, labelled))
            total += np.where(present, sums * math.log(size + 2) + (constraint.spec.maxSkew - 1), 0.0)
        scores = np.where(labelled, np.floor(total + 0.5), -1).astype(np.int64)
        return nodes.cut(scores)

    def normalize(self, scores: Scores) -> Scores:
        """Fewest becomes 100; nodes without the labels get nothing."""
        ignored = scores < 0
        if ignored.all():
            return np.zeros_like(scores)
        least, most = int(scores[~ignored].min()), int(scores[~ignored].max())
        if most == 0:
            return np.where(ignored, 0, 100)
        return np.where(ignored, 0, 100 * (most + least - scores) // most)
