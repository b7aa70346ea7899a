"""ValidatingAdmissionPolicyBinding: where a ValidatingAdmissionPolicy applies."""

from __future__ import annotations

from pilothouse.api.admissionregistration.webhooks import default_match
from pilothouse.api.core.columns import UNSET, selector_text
from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.selectors import validate_label_selector
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


def validate_parameters(reference: ParamRef, problems: Problems) -> None:
    """Parameters are named or selected, and it is said what happens without any."""
    if reference.name:
        report(names.path_segment(reference.name), reference.name, problems, "name")
        if reference.selector is not None:
            problems.at("name").forbidden("name and selector are mutually exclusive")
    if reference.selector is not None:
        validate_label_selector(reference.selector, problems.at("selector"))
        if reference.name:
            problems.at("selector").forbidden("name and selector are mutually exclusive")
    if not reference.name and reference.selector is None:
        problems.required("one of name or selector must be specified")
    if not reference.parameterNotFoundAction:
        problems.at("parameterNotFoundAction").required()
    elif reference.parameterNotFoundAction not in ("Deny", "Allow"):
        problems.at("parameterNotFoundAction").not_supported(reference.parameterNotFoundAction, ("Deny", "Allow"))


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
