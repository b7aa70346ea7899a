"""ValidatingAdmissionPolicy: CEL rules that may refuse a request."""

from __future__ import annotations

from pilothouse.api.admissionregistration.rules import validate_rule
from pilothouse.api.admissionregistration.webhooks import default_match, validate_conditions
from pilothouse.api.core.columns import UNSET
from pilothouse.api.core.validation.fields import one_of, optional_one_of, report
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.types.admissionregistration_v1 import MatchResources, ValidatingAdmissionPolicy
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy


def _kind(one: ValidatingAdmissionPolicy) -> str:
    kind = one.spec.paramKind
    return f"{kind.apiVersion}/{kind.kind}" if kind else UNSET


VALIDATINGADMISSIONPOLICY = Resource(
    ValidatingAdmissionPolicy,
    plural="validatingadmissionpolicies",
    categories=("api-extensions",),
    namespaced=False,
    subresources=(STATUS,),
    columns=(Column("Validations", lambda one: len(one.spec.validations), type="integer"), Column("ParamKind", _kind), AGE),
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(any_finalizer=True, allow_unconditional_update=False, status_keeps=METADATA),
)


@VALIDATINGADMISSIONPOLICY.default
def default(one: ValidatingAdmissionPolicy) -> None:
    if one.spec.failurePolicy is None:
        one.spec.failurePolicy = "Fail"
    if one.spec.matchConstraints:
        default_match(one.spec.matchConstraints)


@VALIDATINGADMISSIONPOLICY.validate
def validate(one: ValidatingAdmissionPolicy, problems: Problems) -> None:
    here = problems.at("spec")
    if not one.spec.validations and not one.spec.auditAnnotations:
        here.at("validations").required("validations or auditAnnotations must contain at least one item")
    one_of(one.spec.failurePolicy or "", ("Fail", "Ignore"), here, "failurePolicy")
    if one.spec.matchConstraints is None:
        here.at("matchConstraints").required()
    else:
        validate_match(one.spec.matchConstraints, here.at("matchConstraints"))
    validate_conditions(one.spec.matchConditions, here.at("matchConditions"))
    for index, validation in enumerate(one.spec.validations):
        if not validation.expression.strip():
            here.at("validations", index, "expression").required("expression is not specified")


def validate_match(resources: MatchResources, problems: Problems) -> None:
    """What a policy applies to: at least one rule."""
    if not resources.resourceRules:
        problems.at("resourceRules").required()
    validate_match_resources(resources, problems)


def validate_match_resources(resources: MatchResources, problems: Problems) -> None:
    """Rules and selectors, of a policy or of its binding."""
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(getattr(resources, field)):
            here = problems.at(field, index)
            for place, name in enumerate(rule.resourceNames):
                report(names.path_segment(name), name, here, "resourceNames", place)
                if name in rule.resourceNames[:place]:
                    here.at("resourceNames", place).duplicate(name)
            validate_rule(rule, here)
    optional_one_of(resources.matchPolicy, ("Equivalent", "Exact"), problems, "matchPolicy")
    validate_label_selector(resources.namespaceSelector, problems.at("namespaceSelector"))
    validate_label_selector(resources.objectSelector, problems.at("objectSelector"))
