"""MutatingAdmissionPolicyBinding: where a MutatingAdmissionPolicy applies."""

from __future__ import annotations

from pilothouse.api.admissionregistration.bindings import COLUMNS, default_binding, validate_binding
from pilothouse.api.admissionregistration.policies import validate_operations
from pilothouse.api.admissionregistration.static import reserve_static_names
from pilothouse.api.types.admissionregistration_v1 import MutatingAdmissionPolicyBinding
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.strategy import Strategy

MUTATINGADMISSIONPOLICYBINDING = Resource(
    MutatingAdmissionPolicyBinding,
    plural="mutatingadmissionpolicybindings",
    categories=("api-extensions",),
    namespaced=False,
    columns=COLUMNS,
    strategy=Strategy(validates_generate_name=True, allow_unconditional_update=False, any_finalizer=True),
)
MUTATINGADMISSIONPOLICYBINDING.default(default_binding)
reserve_static_names(MUTATINGADMISSIONPOLICYBINDING)


@MUTATINGADMISSIONPOLICYBINDING.validate
def validate(binding: MutatingAdmissionPolicyBinding, problems: Problems) -> None:
    """Policy name, param reference and matched resources. Upstream: ValidateMutatingAdmissionPolicyBinding."""
    here = problems.at("spec")
    if not binding.spec.policyName:
        here.at("policyName").required()
    validate_binding(binding, here)
    if binding.spec.matchResources is not None:
        validate_operations(binding.spec.matchResources, here.at("matchResources"))
