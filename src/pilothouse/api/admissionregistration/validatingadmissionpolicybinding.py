"""ValidatingAdmissionPolicyBinding: where a ValidatingAdmissionPolicy applies."""

from __future__ import annotations

from pilothouse.api.admissionregistration.policies import validate_match_resources, validate_parameter
from pilothouse.api.admissionregistration.webhooks import default_match
from pilothouse.api.core.columns import UNSET, selector_text
from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.admissionregistration_v1 import ParamRef, ValidatingAdmissionPolicyBinding
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

ACTIONS = ("Audit", "Deny", "Warn")


def parameter_text(reference: ParamRef | None) -> str:
    """The parameters of a binding, as its column shows them."""
    if reference is None:
        return UNSET
    if reference.name:
        return f"{reference.namespace or '*'}/{reference.name}"
    return selector_text(reference.selector) if reference.selector else UNSET


VALIDATINGADMISSIONPOLICYBINDING = Resource(
    ValidatingAdmissionPolicyBinding,
    plural="validatingadmissionpolicybindings",
    categories=("api-extensions",),
    namespaced=False,
    columns=(Column("PolicyName", lambda one: one.spec.policyName), Column("ParamRef", lambda one: parameter_text(one.spec.paramRef)), AGE),
    strategy=Strategy(any_finalizer=True, allow_unconditional_update=False),
)


@VALIDATINGADMISSIONPOLICYBINDING.default
def default(one: ValidatingAdmissionPolicyBinding) -> None:
    if one.spec.matchResources:
        default_match(one.spec.matchResources)


@VALIDATINGADMISSIONPOLICYBINDING.validate
def validate(one: ValidatingAdmissionPolicyBinding, problems: Problems) -> None:
    spec, here = one.spec, problems.at("spec")
    if spec.policyName:
        report(names.dns_subdomain(spec.policyName), spec.policyName, here, "policyName")
    elif not spec.validationActions:
        here.at("policyName").required()
    validate_parameter(spec.paramRef, here.at("paramRef"))
    validate_match_resources(spec.matchResources, here.at("matchResources"))
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
