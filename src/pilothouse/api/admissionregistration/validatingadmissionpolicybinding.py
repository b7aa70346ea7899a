"""ValidatingAdmissionPolicyBinding: where a ValidatingAdmissionPolicy applies."""

from __future__ import annotations

from pilothouse.api.admissionregistration.webhooks import default_match
from pilothouse.api.core.columns import UNSET, selector_text
from pilothouse.api.types.admissionregistration_v1 import ValidatingAdmissionPolicyBinding
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource

ACTIONS = ("Audit", "Deny", "Warn")


def _parameter(one: ValidatingAdmissionPolicyBinding) -> str:
    found = one.spec.paramRef
    if found is None:
        return UNSET
    if found.name:
        return f"{found.namespace or '*'}/{found.name}"
    return selector_text(found.selector) if found.selector else UNSET


VALIDATINGADMISSIONPOLICYBINDING = Resource(
    ValidatingAdmissionPolicyBinding,
    plural="validatingadmissionpolicybindings",
    categories=("api-extensions",),
    namespaced=False,
    columns=(Column("PolicyName", lambda one: one.spec.policyName), Column("ParamRef", _parameter), AGE),
)


@VALIDATINGADMISSIONPOLICYBINDING.default
def default(one: ValidatingAdmissionPolicyBinding) -> None:
    if one.spec.matchResources:
        default_match(one.spec.matchResources)


@VALIDATINGADMISSIONPOLICYBINDING.validate
def validate(one: ValidatingAdmissionPolicyBinding, problems: Problems) -> None:
    here = problems.at("spec")
    if not one.spec.policyName:
        here.at("policyName").required()
    if not one.spec.validationActions:
        here.at("validationActions").required("at least one validation action is required")
    for index, action in enumerate(one.spec.validationActions):
        if action not in ACTIONS:
            here.at("validationActions", index).not_supported(action, ACTIONS)
    if {"Deny", "Warn"} <= set(one.spec.validationActions):
        message = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
            "headers serves no purpose)"
        )
        here.at("validationActions").invalid(one.spec.validationActions, message)
