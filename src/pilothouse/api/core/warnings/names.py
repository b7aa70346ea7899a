"""Warnings about names that are no host names, and about deprecated Node labels."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.core_v1 import NodeSelectorTerm
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

OLD_NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}


def of_name(name: str, used: str = "Pod names and hostnames") -> Iterator[str]:
    """Warning about a name that is no DNS label, so that the Pods' host names differ from it."""
    messages = names.dns_label(name)
    if messages:
        yield (
            f"metadata.name: this is used in {used}, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(messages)}]"
        )


def of_node_selector_term(term: NodeSelectorTerm, at: Problems, *, values: bool = False) -> Iterator[str]:
    """`values`: also of values that no label can have. That is allowed where a term is only preferred."""
    for index, expression in enumerate(term.matchExpressions):
        here = at.at("matchExpressions", index)
        if expression.key in OLD_NODE_LABELS:
            yield f"{here.at('key').path}: {expression.key} is {OLD_NODE_LABELS[expression.key]}"
        for position, value in enumerate(expression.values if values else ()):
            for message in names.label_value(value):
                yield f"{here.at('values', position).path}: {value} is invalid, {message}"
