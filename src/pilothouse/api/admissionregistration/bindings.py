"""Shared by ValidatingAdmissionPolicyBinding and MutatingAdmissionPolicyBinding.

The words are upstream's (pkg/apis/admissionregistration/validation).
"""

from __future__ import annotations

from pilothouse.api.admissionregistration.policies import validate_match_resources
from pilothouse.api.admissionregistration.webhooks import default_match
from pilothouse.api.core.columns import UNSET
from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.types.admissionregistration_v1 import MutatingAdmissionPolicyBinding, ParamRef, ValidatingAdmissionPolicyBinding
from pilothouse.machinery import names
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column

Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding

PARAMETER_NOT_FOUND_ACTIONS = ("Deny", "Allow")
EXCLUSIVE = "name and selector are mutually exclusive"


def _params(binding: Binding) -> str:
    """The params of a binding, as its column shows them."""
    reference = binding.spec.paramRef
    if reference is None:
        return UNSET
    if reference.name:
        return f"{reference.namespace or '*'}/{reference.name}"
    return go_selector(reference.selector) if reference.selector else UNSET


def go_selector(selector: LabelSelector) -> str:
    """A selector as Go prints it."""
    labels = "".join(f"{key}: {selector.matchLabels[key]}," for key in sorted(selector.matchLabels))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{expression.key},Operator:{expression.operator},Values:[{' '.join(expression.values)}],}},"
        for expression in selector.matchExpressions
    )
    return f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"


COLUMNS = (Column("PolicyName", lambda binding: binding.spec.policyName), Column("ParamRef", _params), AGE)


def default_binding(binding: Binding) -> None:
    """Fill in what matchResources leave out."""
    if binding.spec.matchResources:
        default_match(binding.spec.matchResources)


def validate_binding(binding: Binding, problems: Problems) -> None:
    """The rules of both kinds of bindings; that policyName is there is told by the kinds themselves: upstream's order differs."""
    spec = binding.spec
    if spec.policyName:
        report(names.dns_subdomain(spec.policyName), spec.policyName, problems, "policyName")
    _validate_param_ref(spec.paramRef, problems.at("paramRef"))
    validate_match_resources(spec.matchResources, problems.at("matchResources"))


def _validate_param_ref(reference: ParamRef | None, problems: Problems) -> None:
    """The object that a binding gives to its policy as params, or the selector of such."""
    if reference is None:
        return
    if reference.name:
        report(names.path_segment(reference.name), reference.name, problems, "name")
        if reference.selector is not None:
            problems.at("name").forbidden(EXCLUSIVE)
    if reference.selector is not None:
        validate_label_selector(reference.selector, problems.at("selector"))
        if reference.name:
            problems.at("selector").forbidden(EXCLUSIVE)
    elif not reference.name:
        problems.required("one of name or selector must be specified")
    action = reference.parameterNotFoundAction
    if not action:
        problems.at("parameterNotFoundAction").required()
    elif action not in PARAMETER_NOT_FOUND_ACTIONS:
        problems.at("parameterNotFoundAction").not_supported(action, PARAMETER_NOT_FOUND_ACTIONS)
