"""MutatingAdmissionPolicyBinding: where a MutatingAdmissionPolicy applies."""

from __future__ import annotations

from pilothouse.api.admissionregistration.mutatingadmissionpolicy import validate_operations
from pilothouse.api.admissionregistration.policies import validate_match_resources, validate_parameter
from pilothouse.api.admissionregistration.validatingadmissionpolicybinding import parameter_text
from pilothouse.api.admissionregistration.webhooks import default_match
from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.admissionregistration_v1 import MutatingAdmissionPolicyBinding
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

MUTATINGADMISSIONPOLICYBINDING = Resource(
    MutatingAdmissionPolicyBinding,
    plural="mutatingadmissionpolicybindings",
    categories=("api-extensions",),
    namespaced=False,
    columns=(Column("PolicyName", lambda one: one.spec.policyName), Column("ParamRef", lambda one: parameter_text(one.spec.paramRef)), AGE),
    strategy=Strategy(allow_unconditional_update=False, any_finalizer=True),
)


@MUTATINGADMISSIONPOLICYBINDING.default
def default(one: MutatingAdmissionPolicyBinding) -> None:
    if one.spec.matchResources:
        default_match(one.spec.matchResources)


@MUTATINGADMISSIONPOLICYBINDING.validate
def validate(one: MutatingAdmissionPolicyBinding, problems: Problems) -> None:
    here = problems.at("spec")
    if not one.spec.policyName:
        here.at("policyName").required()
    else:
        report(names.dns_subdomain(one.spec.policyName), one.spec.policyName, here, "policyName")
    validate_parameter(one.spec.paramRef, here.at("paramRef"))
    validate_match_resources(one.spec.matchResources, here.at("matchResources"))
    if one.spec.matchResources is not None:
        validate_operations(one.spec.matchResources, here.at("matchResources"))
