"""MutatingAdmissionPolicy: CEL expressions that change objects on admission (apiserver/admission/policies)."""

from __future__ import annotations

from pilothouse.api.admissionregistration.policies import (
    PARAM_KIND,
    Expressions,
    default_policy,
    validate_policy,
)
from pilothouse.api.admissionregistration.static import reserve_static_names
from pilothouse.api.core.validation.fields import one_of
from pilothouse.api.types.admissionregistration_v1 import MutatingAdmissionPolicy, Mutation
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

PATCH_TYPES = ("ApplyConfiguration", "JSONPatch")
FIELDS = {"JSONPatch": ("jsonPatch", "applyConfiguration"), "ApplyConfiguration": ("applyConfiguration", "jsonPatch")}
"""Patch type -> the field that it needs, and the one that it excludes."""

MUTATINGADMISSIONPOLICY = Resource(
    MutatingAdmissionPolicy,
    plural="mutatingadmissionpolicies",
    categories=("api-extensions",),
    namespaced=False,
    columns=(Column("Mutations", lambda policy: len(policy.spec.mutations), type="integer"), PARAM_KIND, AGE),
    strategy=Strategy(validates_generate_name=True, allow_unconditional_update=False, any_finalizer=True),
)
MUTATINGADMISSIONPOLICY.default(default_policy)


@MUTATINGADMISSIONPOLICY.validate_create
def validate_create(policy: MutatingAdmissionPolicy, problems: Problems) -> None:
    """Rules of a new policy; every expression is compiled. Upstream: ValidateMutatingAdmissionPolicy."""
    _validate(policy, None, problems.at("spec"))


@MUTATINGADMISSIONPOLICY.validate_update
def validate_update(old: MutatingAdmissionPolicy, new: MutatingAdmissionPolicy, problems: Problems) -> None:
    """Rules of a changed policy; expressions that did not change are not compiled again.

    Upstream: ValidateMutatingAdmissionPolicyUpdate.
    """
    _validate(new, old, problems.at("spec"))


reserve_static_names(MUTATINGADMISSIONPOLICY)


def _validate(policy: MutatingAdmissionPolicy, old: MutatingAdmissionPolicy | None, problems: Problems) -> None:
    spec = policy.spec
    before = [] if old is None else [each.applyConfiguration.expression for each in old.spec.mutations if each.applyConfiguration]
    expressions = Expressions(policy, before, composed=True)
    validate_policy(policy, old, expressions, problems)
    if not spec.mutations:
        problems.at("mutations").required("mutations must contain at least one item")
    for index, mutation in enumerate(spec.mutations):
        _validate_mutation(mutation, expressions, problems.at("mutations", index))
    one_of(spec.reinvocationPolicy, ("IfNeeded", "Never"), problems, "reinvocationPolicy")


def _validate_mutation(mutation: Mutation, expressions: Expressions, problems: Problems) -> None:
    if not mutation.patchType:
        problems.at("patchType").required()
        return
    if mutation.patchType not in PATCH_TYPES:
        problems.at("patchType").not_supported(mutation.patchType, PATCH_TYPES)
        return
    needed, excluded = FIELDS[mutation.patchType]
    expression = getattr(mutation, needed)
    if expression is None:
        problems.at(needed).required(f"must be specified when patchType is {mutation.patchType}")
    elif not expression.expression.strip():
        problems.at(needed, "expression").required()
    else:
        expressions.check(expression.expression.strip(), needed, problems.at(needed, "expression"))
    if getattr(mutation, excluded) is not None:
        problems.at(excluded).invalid(f"{{{excluded}}}", f"must not be specified when patchType is {mutation.patchType}")
