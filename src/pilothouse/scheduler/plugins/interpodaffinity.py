"""InterPodAffinity: affinity and anti-affinity between Pods, of the new Pod and of existing Pods.

What placed Pods ask is looked up in `scheduler/existingterms.py`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from pilothouse.api.types.core_v1 import Pod
from pilothouse.scheduler.existingterms import existing_terms
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import Scores, Verdict, Wake
from pilothouse.scheduler.podterms import NamespaceLabels, PodTerms, Term, terms_of
from pilothouse.scheduler.snapshot import Mask, NodeColumns
from pilothouse.scheduler.topology import has_label, on_rows

NOT_NEAR = ("node(s) didn't match pod affinity rules",)
NOT_FAR = ("node(s) didn't match pod anti-affinity rules",)
UNWANTED = ("node(s) didn't satisfy existing pods anti-affinity rules",)


class InterPodAffinity:
    """Filters and scores by Pod affinity. `namespace_labels` gives a namespace's labels; call `namespaces_changed` when they change."""

    name = "InterPodAffinity"

    def __init__(self, namespace_labels: NamespaceLabels) -> None:
        self._namespace_labels = namespace_labels
        self._namespaces_seen = 0
        self.woken_by = (
            Wake("Node", "Add"),
            Wake("Node", "Labels"),
            Wake("Pod", "Add", self._is_near),
            Wake("Pod", "Delete"),
            Wake("Pod", "Labels"),
        )

    def namespaces_changed(self) -> None:
        """Drop what was counted for terms with a namespaceSelector."""
        self._namespaces_seen += 1

    def _key(self, term: Term) -> Hashable:
        return (term.key, self._namespaces_seen) if term.asks_namespaces else term.key

    def _is_near(self, pod: PodFacts, _: Pod | None, new: Pod) -> bool:
        """Whether a Pod that has found its node is one that this Pod must be near to: others only make things worse."""
        terms = self._terms(pod).affinity
        return bool(terms) and all(term.means(new) for term in terms)

    def _terms(self, pod: PodFacts) -> PodTerms:
        if self.name not in pod.scratch:
            pod.scratch[self.name] = terms_of(pod.pod, self._namespace_labels)
        terms: PodTerms = pod.scratch[self.name]
        return terms

    def may_share(self, pod: PodFacts) -> bool:
        """Always true: terms are counted again for every Pod."""
        return True

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        """Nodes that satisfy the Pod's required terms and the anti-affinity of existing Pods; None when there are no such terms."""
        terms = self._terms(pod)
        near = self._near(pod, nodes, terms.affinity) if terms.affinity else None
        far = self._far(nodes, terms.anti_affinity) if terms.anti_affinity else None
        wanted = self._wanted(pod, nodes)
        if near is None and far is None and wanted is None:
            return None
        every = np.ones_like(nodes.alive)
        near, far, wanted = (every if mask is None else nodes.cut(mask) for mask in (near, far, wanted))
        not_near, not_far = ~near, ~far

        def reasons(row: int) -> tuple[str]:
            return NOT_NEAR if not_near[row] else NOT_FAR if not_far[row] else UNWANTED

        return Verdict(near & far & wanted, reasons, unresolvable=not_near)

    def _near(self, pod: PodFacts, nodes: NodeColumns, group: Sequence[Term]) -> Mask:
        """The rows in whose domains Pods are that all terms mean; the first of a group that means itself may go anywhere."""
        all_nodes = nodes.all_nodes

        def meant_by_all(other: Pod) -> bool:
            return all(term.means(other) for term in group)

        counts = nodes.pods_matching(("all", *(self._key(term) for term in group)), meant_by_all)
        labelled, anywhere = np.ones_like(all_nodes.alive), np.zeros_like(all_nodes.alive)
        near = np.ones_like(all_nodes.alive)
        for term in group:
            labels = all_nodes.label(term.topology)
            labelled &= has_label(labels)
            anywhere |= has_label(labels)
            near &= on_rows(labels, counts, all_nodes.alive) > 0
        if not counts[all_nodes.alive & anywhere].any() and meant_by_all(pod.pod):
            return labelled
        return labelled & near

    def _far(self, nodes: NodeColumns, terms: Sequence[Term]) -> Mask:
        all_nodes = nodes.all_nodes
        far = np.ones_like(all_nodes.alive)
        for term in terms:
            labels = all_nodes.label(term.topology)
            far &= on_rows(labels, nodes.pods_matching(self._key(term), term.means), all_nodes.alive) == 0
        return far

    def _wanted(self, pod: PodFacts, nodes: NodeColumns) -> Mask | None:
        """The rows that no placed Pod's anti-affinity keeps this Pod from."""
        wanted: Mask | None = None
        for term, weight, counts in existing_terms(pod, nodes, self._terms):
            if not weight:
                free = on_rows(nodes.all_nodes.label(term.topology), counts, nodes.all_nodes.alive) == 0
                wanted = free if wanted is None else wanted & free
        return wanted

    def pre_score(self, pod: PodFacts, nodes: NodeColumns, feasible: Mask) -> bool:
        """Whether the Pod has preferred terms, or existing Pods have terms that match it."""
        return bool(self._terms(pod).preferred) or any(weight for _, weight, _ in existing_terms(pod, nodes, self._terms))

    def score(self, pod: PodFacts, nodes: NodeColumns) -> Scores:
        """Sum of the weights of matching terms over the Pods of each node's domains."""
        all_nodes = nodes.all_nodes
        total = np.zeros(len(all_nodes.names), np.int64)
        for term in self._terms(pod).preferred:
            counts = nodes.pods_matching(self._key(term), term.means)
            total += term.weight * on_rows(all_nodes.label(term.topology), counts, all_nodes.alive)
        for term, weight, counts in existing_terms(pod, nodes, self._terms):
            if weight:
                total += weight * on_rows(all_nodes.label(term.topology), counts, all_nodes.alive)
        return nodes.cut(total)

    def normalize(self, scores: Scores) -> Scores:
        """Scale so that the least score becomes 0 and the greatest 100."""
        least, most = int(scores.min()), int(scores.max())
        if most == least:
            return np.zeros_like(scores)
        result: Scores = (100.0 * ((scores - least) / (most - least))).astype(np.int64)  # in floats, as upstream: 29 of 100 is 28
        return result
