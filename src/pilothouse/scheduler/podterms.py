"""Affinity terms between Pods, compiled to predicates."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.api.types.core_v1 import Pod, PodAffinityTerm
from pilothouse.machinery.labels import DOUBLE_EQUAL, EQUAL, IN, Selector, from_label_selector

NamespaceLabels = Callable[[str], Mapping[str, str]]
"""The labels of a namespace by its name."""


@dataclass(frozen=True, slots=True)
class Term:
    """A compiled affinity term. `means(other)` tells whether it matches another Pod."""

    topology: str
    weight: int
    key: Hashable
    means: Callable[[Pod], bool]
    label: tuple[str, str] | None = None
    """A label that every Pod that is meant has, if the selector names one."""
    asks_namespaces: bool = False
    """Whether the answer depends on the labels of namespaces."""


def term_of(owner: Pod, term: PodAffinityTerm, namespace_labels: NamespaceLabels, weight: int = 0) -> Term:
    """Compile one affinity term of `owner`; a `weight` of 0 marks a required term."""
    selector = from_label_selector(term.labelSelector)
    spaces = from_label_selector(term.namespaceSelector)
    named = frozenset(term.namespaces)
    if not named and term.namespaceSelector is None:
        named = frozenset((owner.metadata.namespace,))
    labels = owner.metadata.labels
    same = tuple((key, labels[key]) for key in term.matchLabelKeys if key in labels)
    other_than = tuple((key, labels[key]) for key in term.mismatchLabelKeys if key in labels)

    def means(other: Pod) -> bool:
        meta = other.metadata
        if meta.namespace not in named and not spaces.matches(namespace_labels(meta.namespace)):
            return False
        return (
            selector.matches(meta.labels)
            and all(meta.labels.get(key) == value for key, value in same)
            and all(meta.labels.get(key) != value for key, value in other_than)
        )

    key = ("term", named, key_of(term.namespaceSelector, spaces), key_of(term.labelSelector, selector), same, other_than)
    dynamic = term.namespaceSelector is not None and not spaces.everything
    return Term(term.topologyKey, weight, key, means, label_of(selector), dynamic)


def label_of(selector: Selector) -> tuple[str, str] | None:
    """A label that every Pod matched by the selector has, or None."""
    exact = (
        requirement
        for requirement in selector.requirements
        if requirement.operator in (EQUAL, DOUBLE_EQUAL, IN) and len(requirement.values) == 1
    )
    return next(((requirement.key, requirement.values[0]) for requirement in exact), None)


def key_of(given: object, selector: Selector) -> str:
    """A selector as part of a key; empty when there was none."""
    return "" if given is None else f"{{{selector}}}"


@dataclass(frozen=True, slots=True)
class PodTerms:
    """All terms of a Pod, by kind."""

    affinity: Sequence[Term] = ()
    anti_affinity: Sequence[Term] = ()
    preferred: Sequence[Term] = ()
    """Weights of anti-affinity are negative."""


def terms_of(pod: Pod, namespace_labels: NamespaceLabels) -> PodTerms:
    """All affinity terms of a Pod, compiled; empty when it has none."""
    affinity = pod.spec.affinity
    if affinity is None:
        return PodTerms()
    near, far = affinity.podAffinity, affinity.podAntiAffinity
    preferred = [
        term_of(pod, preferred.podAffinityTerm, namespace_labels, sign * preferred.weight)
        for sign, group in ((1, near), (-1, far))
        for preferred in (group.preferredDuringSchedulingIgnoredDuringExecution if group else ())
    ]
    return PodTerms(
        [term_of(pod, term, namespace_labels) for term in (near.requiredDuringSchedulingIgnoredDuringExecution if near else ())],
        [term_of(pod, term, namespace_labels) for term in (far.requiredDuringSchedulingIgnoredDuringExecution if far else ())],
        preferred,
    )
