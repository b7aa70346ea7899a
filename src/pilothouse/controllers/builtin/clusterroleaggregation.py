"""ClusterRoles that are the sum of others: `admin`, `edit`, `view`, and whatever has an aggregationRule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.api.types.rbac_v1 import ClusterRole, PolicyRule
from pilothouse.client.store import Key
from pilothouse.controllers.framework.actions import Action, Update
from pilothouse.controllers.framework.controller import READ, UPDATE, Controller, Related, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec, labels


def aggregation(role: ClusterRole) -> tuple[str, ...]:
    """Index: the ClusterRoles that are the sum of others."""
    return () if role.aggregationRule is None else ("aggregated",)


def _sums(role: ClusterRole, world: World) -> Iterator[Key]:
    for clusterrole in world.indexed(ClusterRole, aggregation, "aggregated"):
        yield "", clusterrole.metadata.name


class ClusterRoleAggregationController(Controller):
    """Writes the rules of every ClusterRole that a sum selects into the sum, those of the first by name first, each once."""

    name = "clusterrole-aggregation-controller"
    account = "clusterrole-aggregation-controller"
    reconciles = ClusterRole
    watches = (Related(ClusterRole, _sums),)
    rules = (Rule("rbac.authorization.k8s.io", ("clusterroles",), (*READ, *UPDATE, "escalate")),)

    def concerns(self, obj: Any) -> bool:
        """Only the sums."""
        return obj.aggregationRule is not None

    def plan(self, role: ClusterRole, world: World) -> Iterator[Action]:
        """Patch the role's rules when they are not the sum of the roles that its selectors match."""
        if role.aggregationRule is None or role.metadata.deletionTimestamp:
            return
        rules: list[PolicyRule] = []
        for selector in map(labels.from_label_selector, role.aggregationRule.clusterRoleSelectors):
            for selected in sorted(world.list(ClusterRole, "", selector), key=lambda each: each.metadata.name):
                if selected.metadata.name != role.metadata.name:
                    rules.extend(rule for rule in selected.rules or () if rule not in rules)
        if rules != (role.rules or []):
            changed = codec.clone(role)
            changed.rules = rules or None
            yield Update(changed)
