"""Whether a node is one that a Pod asks for: nodeSelector and required node affinity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.api.types.core_v1 import Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec
from pilothouse.machinery import strconv


def suits(spec: PodSpec, node: Node) -> bool:
    """Upstream's GetRequiredNodeAffinity(pod).Match(node)."""
    if any(node.metadata.labels.get(name) != value for name, value in spec.nodeSelector.items()):
        return False
    affinity = spec.affinity.nodeAffinity if spec.affinity else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
    return required is None or matches_any(required.nodeSelectorTerms or (), node)


def matches_any(terms: Iterable[NodeSelectorTerm], node: Node) -> bool:
    """Whether the node matches at least one term; an empty list matches no node."""
    return any(_matches(term, node) for term in terms)


def _matches(term: NodeSelectorTerm, node: Node) -> bool:
    if not term.matchExpressions and not term.matchFields:
        return False
    by_label = all(_holds(requirement, node.metadata.labels) for requirement in term.matchExpressions)
    return by_label and all(_holds(requirement, {"metadata.name": node.metadata.name}) for requirement in term.matchFields)


def _holds(requirement: NodeSelectorRequirement, values: Mapping[str, str]) -> bool:
    value = values.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            have, limit = strconv.integer(value), strconv.integer(requirement.values[0] if requirement.values else "")
            if have is None or limit is None:
                return False
            return have > limit if requirement.operator == "Gt" else have < limit
    return False
