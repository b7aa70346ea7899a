"""ValidatingAdmissionPolicy: CEL rules that may refuse a request."""

from __future__ import annotations

from pilothouse.api.admissionregistration.webhooks import default_match
from pilothouse.api.core.columns import UNSET
from pilothouse.api.types.admissionregistration_v1 import ValidatingAdmissionPolicy
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource


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
)


@VALIDATINGADMISSIONPOLICY.default
def default(one: ValidatingAdmissionPolicy) -> None:
    one.spec.failurePolicy = one.spec.failurePolicy or "Fail"
    if one.spec.matchConstraints:
        default_match(one.spec.matchConstraints)


@VALIDATINGADMISSIONPOLICY.validate
def validate(one: ValidatingAdmissionPolicy, problems: Problems) -> None:
    here = problems.at("spec")
    if not one.spec.validations and not one.spec.auditAnnotations:
        here.at("validations").required("validations or auditAnnotations must contain at least one item")
    if one.spec.matchConstraints is None:
        here.at("matchConstraints").required()
    for index, validation in enumerate(one.spec.validations):
        if not validation.expression.strip():
            here.at("validations", index, "expression").required("expression is not specified")
