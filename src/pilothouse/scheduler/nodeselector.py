"""Node selectors over columns: the rows that match a term, a selector, or all node constraints of a Pod.

Each requirement is asked once for every distinct value of its label, not once a node.
"""

from __future__ import annotations

import numpy as np

from pilothouse.api.types.core_v1 import NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod
from pilothouse.machinery import strconv
from pilothouse.scheduler.snapshot import Mask, NodeColumns

NAME_FIELD = "metadata.name"


def selected(pod: Pod, nodes: NodeColumns) -> Mask:
    """Rows that satisfy both `spec.nodeSelector` and required node affinity."""
    rows = nodes.alive.copy()
    for key, value in pod.spec.nodeSelector.items():
        rows &= nodes.label(key).where(lambda have, value=value: have == value)  # type: ignore[misc]
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity else None
    if affinity and affinity.requiredDuringSchedulingIgnoredDuringExecution is not None:
        rows &= selector_matches(affinity.requiredDuringSchedulingIgnoredDuringExecution, nodes)
    return rows


def selector_matches(selector: NodeSelector, nodes: NodeColumns) -> Mask:
    """Rows that match any of the terms; a selector without terms matches nothing."""
    rows = np.zeros_like(nodes.alive)
    for term in selector.nodeSelectorTerms or ():
        rows |= term_matches(term, nodes)
    return rows


def term_matches(term: NodeSelectorTerm, nodes: NodeColumns, empty: bool = False) -> Mask:
    """Rows that match all requirements of a term. A term without requirements matches `empty`: nothing if required, all if preferred."""
    if not term.matchExpressions and not term.matchFields:
        return nodes.alive.copy() if empty else np.zeros_like(nodes.alive)
    rows = nodes.alive.copy()
    for requirement in term.matchExpressions:
        rows &= requirement_matches(requirement, nodes)
    for requirement in term.matchFields:
        rows &= name_matches(requirement, nodes)
    return rows


def requirement_matches(requirement: NodeSelectorRequirement, nodes: NodeColumns) -> Mask:
    """The rows whose labels satisfy one requirement of a node selector term."""
    labels = nodes.label(requirement.key)
    values = set(requirement.values)
    match requirement.operator:
        case "In":
            return labels.where(values.__contains__)
        case "NotIn":
            return ~labels.where(values.__contains__)
        case "Exists":
            return labels.where(lambda _: True)
        case "DoesNotExist":
            return ~labels.where(lambda _: True)
        case "Gt" | "Lt":
            return labels.where(lambda have: compares(have, requirement))
    return np.zeros_like(nodes.alive)


def compares(have: str, requirement: NodeSelectorRequirement) -> bool:
    """Operators Gt and Lt, which compare 64-bit integers; other values match nothing."""
    left, right = integer(have), integer(requirement.values[0]) if len(requirement.values) == 1 else None
    if left is None or right is None:
        return False
    return left > right if requirement.operator == "Gt" else left < right


def integer(text: str) -> int | None:
    """Parse an integer as Go does."""
    return strconv.integer(text)


def name_matches(requirement: NodeSelectorRequirement, nodes: NodeColumns) -> Mask:
    """Rows that match a requirement on metadata.name, the only field that nodes are selected by."""
    rows = np.zeros_like(nodes.alive)
    if requirement.key != NAME_FIELD:
        return rows
    rows[[nodes.rows[name] for name in requirement.values if name in nodes.rows]] = True
    return ~rows if requirement.operator == "NotIn" else rows


def names_wanted(selector: NodeSelector) -> frozenset[str] | None:
    """Node names that every term is limited to; None when a term is not limited to names. Empty when the terms contradict each other."""
    names: set[str] = set()
    for term in selector.nodeSelectorTerms or ():
        confined: set[str] | None = None
        for requirement in term.matchFields:
            if requirement.key == NAME_FIELD and requirement.operator == "In":
                confined = set(requirement.values) if confined is None else confined & set(requirement.values)
        if confined is None:
            return None
        names |= confined
    return frozenset(names) if selector.nodeSelectorTerms else None
