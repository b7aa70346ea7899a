"""ClusterRole: permissions in the whole cluster."""

from __future__ import annotations

from pilothouse.api.core.columns import CREATED_AT
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.rbac.rules import validate_rules, validate_verbs
from pilothouse.api.types.rbac_v1 import ClusterRole
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.strategy import Strategy

CLUSTERROLE = Resource(
    ClusterRole,
    plural="clusterroles",
    namespaced=False,
    columns=(CREATED_AT,),
    name_rule=names.path_segment,
    strategy=Strategy(allow_create_on_update=True, generation=None, has_unsafe_deleter=False),
)


@CLUSTERROLE.validate
def validate(role: ClusterRole, problems: Problems) -> None:
    """Rules, and selectors of an aggregation. Upstream: ValidateClusterRole."""
    validate_rules(role.rules or (), False, problems)
    selectors = role.aggregationRule.clusterRoleSelectors if role.aggregationRule else None
    here = problems.at("aggregationRule", "clusterRoleSelectors")
    if selectors is not None and not selectors:
        here.required("at least one clusterRoleSelector required if aggregationRule is non-nil")
    for index, selector in enumerate(selectors or ()):
        before = len(here.found)
        validate_label_selector(selector, here.at(index))
        if len(here.found) > before:
            here.at(index).invalid(None, "invalid label selector.")
    validate_verbs(role.rules or (), problems)
