"""Affinity terms of existing Pods that apply to a new Pod, found by the labels that the terms name.

Upstream keeps the placed Pods that have terms in a list of each node and asks each of them (HavePodsWithAffinityList); here Pods with the
same terms are one (`podcounts.Affinities`), and most of these are never asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pilothouse.api.types.core_v1 import Pod
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.podcounts import Affinities, Ints, by_affinities
from pilothouse.scheduler.podterms import PodTerms, Term
from pilothouse.scheduler.snapshot import NodeColumns

TermsOf = Callable[[PodFacts], PodTerms]
HARD_WEIGHT = 1
"""What a placed Pod's required affinity adds to the score of a Pod that it means (hardPodAffinityWeight)."""


@dataclass(slots=True)
class ExistingTerm:
    """A term of existing Pods. `weight` is what it adds to a score; 0 marks required anti-affinity, which filters."""

    term: Term
    weight: int
    pods: Affinities


def weighted(terms: PodTerms) -> Iterator[tuple[Term, int]]:
    """The terms of an existing Pod, each with the weight that it adds to the score of a matching Pod; 0 for required anti-affinity."""
    yield from ((term, 0) for term in terms.anti_affinity)
    yield from ((term, term.weight) for term in terms.preferred)
    yield from ((term, HARD_WEIGHT) for term in terms.affinity)


@dataclass(slots=True)
class TermIndex:
    """The terms of all existing Pods of one `NodeColumns`, by a label that every matching Pod must have."""

    by_label: dict[tuple[str, str] | None, list[ExistingTerm]] = field(default_factory=dict)
    epoch: int = -1
    seen: int = 0

    def update(self, nodes: NodeColumns, terms_of: TermsOf) -> None:
        """Add the terms of Pods that were assigned since the last call."""
        counts = nodes.counts
        if self.epoch != counts.epoch:
            self.by_label, self.epoch, self.seen = {}, counts.epoch, 0
        for pods in counts.affinities_seen[self.seen :]:
            for term, weight in weighted(terms_of(pods.example)):
                self.by_label.setdefault(term.label, []).append(ExistingTerm(term, weight, pods))
        self.seen = len(counts.affinities_seen)

    def meaning(self, pod: Pod) -> Iterator[ExistingTerm]:
        """Terms that match this Pod."""
        for label in (None, *pod.metadata.labels.items()):
            for placed in self.by_label.get(label, ()):
                if placed.pods.total and placed.term.means(pod):
                    yield placed


def existing_terms(pod: PodFacts, nodes: NodeColumns, terms_of: TermsOf) -> Iterator[tuple[Term, int, Ints]]:
    """(term, its weight, number of Pods with the term by row) of each existing term that matches the Pod.

    For a window, the row of its node counts the Pods that are in the window.

    In a window its own row counts as it is there.
    """
    all_nodes = nodes.all_nodes
    index: TermIndex = all_nodes.scratch.setdefault("existing terms", TermIndex())
    index.update(all_nodes, terms_of)
    if nodes is all_nodes:
        yield from ((placed.term, placed.weight, placed.pods.counts) for placed in index.meaning(pod.pod))
        return
    own = by_affinities(nodes.pods[0].values())
    known = {id(all_nodes.counts.affinities[key]): len(pods) for key, pods in own.items() if key in all_nodes.counts.affinities}
    for placed in index.meaning(pod.pod):
        yield placed.term, placed.weight, nodes.overlaid(placed.pods.counts, known.get(id(placed.pods), 0))
    for key, pods in own.items():
        if key not in all_nodes.counts.affinities:
            for term, weight in weighted(terms_of(pods[0])):
                if term.means(pod.pod):
                    yield term, weight, nodes.only_here(len(pods))
