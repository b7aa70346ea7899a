"""ValidatingAdmissionPolicyBinding: where a ValidatingAdmissionPolicy applies."""

from __future__ import annotations

from pilothouse.api.admissionregistration.bindings import COLUMNS, default_binding, validate_binding
from pilothouse.api.admissionregistration.static import reserve_static_names
from pilothouse.api.types.admissionregistration_v1 import ValidatingAdmissionPolicyBinding
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.strategy import Strategy

ACTIONS = ("Audit", "Deny", "Warn")

VALIDATINGADMISSIONPOLICYBINDING = Resource(
    ValidatingAdmissionPolicyBinding,
    plural="validatingadmissionpolicybindings",
    categories=("api-extensions",),
    namespaced=False,
    columns=COLUMNS,
    strategy=Strategy(validates_generate_name=True, any_finalizer=True, allow_unconditional_update=False),
)
VALIDATINGADMISSIONPOLICYBINDING.default(default_binding)
reserve_static_names(VALIDATINGADMISSIONPOLICYBINDING)


@VALIDATINGADMISSIONPOLICYBINDING.validate
def validate(binding: ValidatingAdmissionPolicyBinding, problems: Problems) -> None:
    """Policy name, param reference, matched resources and validation actions. Upstream: ValidateValidatingAdmissionPolicyBinding."""
    spec, here = binding.spec, problems.at("spec")
    if not spec.policyName and not spec.validationActions:
        here.at("policyName").required()
    validate_binding(binding, here)
    _validate_actions(spec.validationActions, here.at("validationActions"))
    if not spec.policyName:
        here.at("policyName").required()


def _validate_actions(actions: list[str], problems: Problems) -> None:
    for index, action in enumerate(actions):
        if action not in ACTIONS:
            problems.at(index).not_supported(action, ACTIONS)
        if action in actions[:index]:
            problems.at(index).duplicate(action)
    if {"Deny", "Warn"} <= set(actions):
        message = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
            "headers serves no purpose)"
        )
        problems.invalid(actions, message)
    if not actions:
        problems.required()
