"""ClusterRoleBinding: who has a ClusterRole everywhere."""

from __future__ import annotations

from pilothouse.api.rbac.rules import BINDING_COLUMNS, default_binding, validate_binding, validate_role_ref
from pilothouse.api.types.rbac_v1 import ClusterRoleBinding
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.strategy import Strategy

CLUSTERROLEBINDING = Resource(
    ClusterRoleBinding,
    plural="clusterrolebindings",
    namespaced=False,
    columns=BINDING_COLUMNS,
    name_rule=names.path_segment,
    strategy=Strategy(allow_create_on_update=True, generation=None, has_unsafe_deleter=False),
)


@CLUSTERROLEBINDING.default
def default(binding: ClusterRoleBinding) -> None:
    """API groups of role and subjects. Upstream: SetDefaults_ClusterRoleBinding."""
    default_binding(binding.roleRef, binding.subjects)


@CLUSTERROLEBINDING.validate
def validate(binding: ClusterRoleBinding, problems: Problems) -> None:
    """The role is a ClusterRole; subjects are valid. Upstream: ValidateClusterRoleBinding."""
    validate_binding(binding.roleRef, binding.subjects, ("ClusterRole",), problems)


@CLUSTERROLEBINDING.validate_update
def validate_update(old: ClusterRoleBinding, new: ClusterRoleBinding, problems: Problems) -> None:
    """The role never changes. Upstream: ValidateClusterRoleBindingUpdate."""
    validate_role_ref(old.roleRef, new.roleRef, problems)
