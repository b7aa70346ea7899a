"""ValidatingAdmissionPolicy: CEL rules that may refuse a request."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pilothouse.api.admissionregistration.policies import (
    PARAM_KIND,
    Expressions,
    default_policy,
    validate_policy,
)
from pilothouse.api.admissionregistration.static import reserve_static_names
from pilothouse.api.core.validation.conditions import validate_conditions as validate_status_conditions
from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.admissionregistration_v1 import ValidatingAdmissionPolicy, Validation
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy

REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
MOST_ANNOTATIONS, LONGEST_EXPRESSION = 20, 5 * 1024

VALIDATINGADMISSIONPOLICY = Resource(
    ValidatingAdmissionPolicy,
    plural="validatingadmissionpolicies",
    categories=("api-extensions",),
    namespaced=False,
    subresources=(STATUS,),
    columns=(Column("Validations", lambda policy: len(policy.spec.validations), type="integer"), PARAM_KIND, AGE),
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(validates_generate_name=True, any_finalizer=True, allow_unconditional_update=False, status_keeps=METADATA),
)
VALIDATINGADMISSIONPOLICY.default(default_policy)


@VALIDATINGADMISSIONPOLICY.validate_create
def validate_create(policy: ValidatingAdmissionPolicy, problems: Problems) -> None:
    """Rules of a new policy; every expression is compiled. Upstream: ValidateValidatingAdmissionPolicy."""
    _validate(policy, None, problems.at("spec"))


@VALIDATINGADMISSIONPOLICY.validate_update
def validate_update(old: ValidatingAdmissionPolicy, new: ValidatingAdmissionPolicy, problems: Problems) -> None:
    """Rules of a changed policy; expressions that did not change are not compiled again.

    Upstream: ValidateValidatingAdmissionPolicyUpdate.
    """
    _validate(new, old, problems.at("spec"))


reserve_static_names(VALIDATINGADMISSIONPOLICY)


def _validate(policy: ValidatingAdmissionPolicy, old: ValidatingAdmissionPolicy | None, problems: Problems) -> None:
    spec = policy.spec
    expressions = Expressions(policy, _expressions(old), composed=bool(spec.variables))
    validate_policy(policy, old, expressions, problems)
    if not spec.validations and not spec.auditAnnotations:
        for field in ("validations", "auditAnnotations"):
            problems.at(field).required("validations or auditAnnotations must contain at least one item")
    for index, validation in enumerate(spec.validations):
        _validate_validation(validation, expressions, problems.at("validations", index))
    _validate_annotations(policy, expressions, problems.at("auditAnnotations"))


def _expressions(policy: ValidatingAdmissionPolicy | None) -> Iterator[str]:
    """The expressions of a policy that an update may keep."""
    for validation in policy.spec.validations if policy is not None else ():
        yield validation.expression
        yield validation.messageExpression
    for annotation in policy.spec.auditAnnotations if policy is not None else ():
        yield annotation.valueExpression


def _validate_validation(validation: Validation, expressions: Expressions, problems: Problems) -> None:
    if not validation.expression.strip():
        problems.at("expression").required("expression is not specified")
    else:
        expressions.check(validation.expression, "validation", problems.at("expression"))
    if validation.messageExpression and not validation.messageExpression.strip():
        problems.at("messageExpression").invalid(validation.messageExpression, "must be non-empty if specified")
    elif validation.messageExpression:
        expressions.check(validation.messageExpression, "messageExpression", problems.at("messageExpression"))
    if validation.message and not validation.message.strip():
        problems.at("message").invalid(validation.message, "must be non-empty if specified")
    elif re.search(r"[\n\r]", validation.message.strip()):
        problems.at("message").invalid(validation.message, "must not contain line breaks")
    if validation.reason is not None and validation.reason not in REASONS:
        problems.at("reason").not_supported(validation.reason, REASONS)


def _validate_annotations(policy: ValidatingAdmissionPolicy, expressions: Expressions, problems: Problems) -> None:
    """Their keys go into the audit log after the policy's name."""
    annotations = policy.spec.auditAnnotations
    if len(annotations) > MOST_ANNOTATIONS:
        message = f"must not have more than {MOST_ANNOTATIONS} auditAnnotations"
        problems.invalid([{"Key": each.key, "ValueExpression": each.valueExpression} for each in annotations], message)
    for index, annotation in enumerate(annotations):
        here, expression = problems.at(index), annotation.valueExpression.strip()
        if policy.metadata.name:
            full = f"{policy.metadata.name}/{annotation.key}"
            report(names.qualified_name(full), full, here, "key")
        else:
            here.at("key").invalid(annotation.key, "requires metadata.name be non-empty")
        if not expression:
            here.at("valueExpression").required("valueExpression is not specified")
        elif len(expression.encode()) > LONGEST_EXPRESSION:
            here.at("valueExpression").required(f"must not exceed {LONGEST_EXPRESSION} bytes in length")
        else:
            expressions.check(expression, "valueExpression", here.at("valueExpression"), shown=annotation.valueExpression)
        if annotation.key in {before.key for before in annotations[:index]}:
            here.at("key").duplicate(annotation.key)


@VALIDATINGADMISSIONPOLICY.validate_status
def validate_status(old: ValidatingAdmissionPolicy, new: ValidatingAdmissionPolicy, problems: Problems) -> None:
    """Rules of `status`: expression warnings and conditions. Upstream: ValidateValidatingAdmissionPolicyStatusUpdate."""
    here = problems.at("status")
    checking = new.status.typeChecking
    for index, warning in enumerate(checking.expressionWarnings if checking else ()):
        where = here.at("typeChecking", "expressionWarnings", index)
        if not warning.warning:
            where.at("warning").required()
        if not warning.fieldRef.strip():
            where.at("fieldRef").required()
    validate_status_conditions(new.status.conditions, here.at("conditions"))
