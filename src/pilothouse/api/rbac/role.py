"""Role: permissions in one namespace."""

from __future__ import annotations

from pilothouse.api.core.columns import CREATED_AT
from pilothouse.api.rbac.rules import validate_rules, validate_verbs
from pilothouse.api.types.rbac_v1 import Role
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.strategy import Strategy

ROLE = Resource(
    Role,
    plural="roles",
    columns=(CREATED_AT,),
    name_rule=names.path_segment,
    strategy=Strategy(allow_create_on_update=True, generation=None, has_unsafe_deleter=False),
)


@ROLE.validate
def validate(role: Role, problems: Problems) -> None:
    """Rules within a namespace. Upstream: ValidateRole."""
    validate_rules(role.rules or (), True, problems)
    validate_verbs(role.rules or (), problems)
