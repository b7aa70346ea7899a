"""RoleBinding: who has a role in one namespace."""

from __future__ import annotations

from pilothouse.api.rbac.rules import BINDING_COLUMNS, default_binding, validate_binding, validate_role_ref
from pilothouse.api.types.rbac_v1 import RoleBinding
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.strategy import Strategy

ROLEBINDING = Resource(
    RoleBinding,
    plural="rolebindings",
    columns=BINDING_COLUMNS,
    name_rule=names.path_segment,
    strategy=Strategy(allow_create_on_update=True, generation=None, has_unsafe_deleter=False),
)


@ROLEBINDING.default
def default(binding: RoleBinding) -> None:
    """API groups of role and subjects. Upstream: SetDefaults_RoleBinding."""
    default_binding(binding.roleRef, binding.subjects)


@ROLEBINDING.validate
def validate(binding: RoleBinding, problems: Problems) -> None:
    """The role is a Role or ClusterRole; subjects are valid. Upstream: ValidateRoleBinding."""
    validate_binding(binding.roleRef, binding.subjects, ("Role", "ClusterRole"), problems)


@ROLEBINDING.validate_update
def validate_update(old: RoleBinding, new: RoleBinding, problems: Problems) -> None:
    """The role never changes. Upstream: ValidateRoleBindingUpdate."""
    validate_role_ref(old.roleRef, new.roleRef, problems)
