"""What makes a role or a binding that is there what every cluster should have (component-helpers, auth/rbac/reconciliation).

- Rules and subjects that are missing come back, what others added stays; labels and annotations likewise.
- A binding to another role is made anew, for a roleRef cannot be changed.
- The annotation AUTO_UPDATE with "false" leaves an object alone.
"""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.rbac_v1 import AggregationRule, ClusterRole, Role
from pilothouse.apiserver.auth.rbac.bootstrap import AUTO_UPDATE
from pilothouse.apiserver.auth.rbac.covers import missing_rules
from pilothouse.machinery.codec import clone


def reconciled(existing: Any, expected: Any) -> Any | None:
    """The object that should be there; None when the existing one is left as it is. One with another roleRef is to be made anew."""
    if existing.metadata.annotations.get(AUTO_UPDATE) == "false":
        return None
    if _is_same(existing, expected):
        return None
    if not isinstance(expected, (ClusterRole, Role)) and existing.roleRef != expected.roleRef:
        return clone(expected)
    changed = clone(existing)
    changed.metadata.annotations = {**expected.metadata.annotations, **existing.metadata.annotations}
    changed.metadata.labels = {**expected.metadata.labels, **existing.metadata.labels}
    if isinstance(changed, (ClusterRole, Role)):
        if isinstance(changed, ClusterRole):
            _add_selectors(changed, expected)
        if not isinstance(expected, ClusterRole) or expected.aggregationRule is None:  # of others the controller writes the rules
            changed.rules = [*(changed.rules or ()), *missing_rules(existing.rules or (), expected.rules or ())] or None
    else:
        changed.subjects += [subject for subject in expected.subjects if subject not in existing.subjects]
    return None if changed == existing else changed


def _is_same(existing: Any, expected: Any) -> bool:
    """Whether nothing is to be compared further: what most objects are at most starts."""
    meta, wanted = existing.metadata, expected.metadata
    if meta.labels != wanted.labels or meta.annotations != wanted.annotations:
        return False
    if not isinstance(expected, (ClusterRole, Role)):
        return bool(existing.subjects == expected.subjects and existing.roleRef == expected.roleRef)
    if isinstance(expected, ClusterRole) and expected.aggregationRule != existing.aggregationRule:
        return False
    return bool(existing.rules == expected.rules)


def _add_selectors(changed: ClusterRole, expected: ClusterRole) -> None:
    """A role that should not be aggregated is so no longer; one that should be gets the selectors that are missing."""
    if expected.aggregationRule is None:
        changed.aggregationRule = None
        return
    there = changed.aggregationRule or AggregationRule()
    missing = [each for each in expected.aggregationRule.clusterRoleSelectors if each not in there.clusterRoleSelectors]
    changed.aggregationRule = AggregationRule(clusterRoleSelectors=[*there.clusterRoleSelectors, *missing])
