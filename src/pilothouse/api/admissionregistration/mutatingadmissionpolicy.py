"""MutatingAdmissionPolicy: CEL expressions that change objects on admission. Served; nothing acts on it yet."""

from __future__ import annotations

from pilothouse.api.admissionregistration.policies import validate_policy_spec, validate_variables
from pilothouse.api.admissionregistration.webhooks import default_match, validate_conditions
from pilothouse.api.core.columns import UNSET
from pilothouse.api.core.validation.fields import one_of
from pilothouse.api.types.admissionregistration_v1 import MatchResources, MutatingAdmissionPolicy, Mutation
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

OPERATIONS, SUPPORTED = ("CREATE", "UPDATE", "CONNECT", "*"), ("*", "CONNECT", "CREATE", "UPDATE")
PATCH_TYPES = ("ApplyConfiguration", "JSONPatch")
OTHER = {"JSONPatch": ("jsonPatch", "applyConfiguration"), "ApplyConfiguration": ("applyConfiguration", "jsonPatch")}
"""Patch type -> the field that it needs, and the one that it excludes."""


def _kind(one: MutatingAdmissionPolicy) -> str:
    kind = one.spec.paramKind
    return f"{kind.apiVersion}/{kind.kind}" if kind else UNSET


MUTATINGADMISSIONPOLICY = Resource(
    MutatingAdmissionPolicy,
    plural="mutatingadmissionpolicies",
    categories=("api-extensions",),
    namespaced=False,
    columns=(Column("Mutations", lambda one: len(one.spec.mutations), type="integer"), Column("ParamKind", _kind), AGE),
    strategy=Strategy(allow_unconditional_update=False, any_finalizer=True),
)


@MUTATINGADMISSIONPOLICY.default
def default(one: MutatingAdmissionPolicy) -> None:
    if one.spec.failurePolicy is None:
        one.spec.failurePolicy = "Fail"
    if one.spec.matchConstraints:
        default_match(one.spec.matchConstraints)


@MUTATINGADMISSIONPOLICY.validate
def validate(one: MutatingAdmissionPolicy, problems: Problems) -> None:
    spec, here = one.spec, problems.at("spec")
    validate_policy_spec(spec, here)
    if spec.matchConstraints is not None:
        validate_operations(spec.matchConstraints, here.at("matchConstraints"))
    validate_conditions(spec.matchConditions, here.at("matchConditions"))
    validate_variables(spec.variables, here.at("variables"))
    if not spec.mutations:
        here.at("mutations").required("mutations must contain at least one item")
    for index, mutation in enumerate(spec.mutations):
        _validate_mutation(mutation, here.at("mutations", index))
    one_of(spec.reinvocationPolicy, ("IfNeeded", "Never"), here, "reinvocationPolicy")


def validate_operations(resources: MatchResources, problems: Problems) -> None:
    """Only what is created or updated can be changed."""
    for rule in resources.resourceRules:
        for operation in rule.operations:
            if operation not in OPERATIONS:
                problems.at("resourceRules", "operations").not_supported(operation, SUPPORTED)


def _validate_mutation(mutation: Mutation, problems: Problems) -> None:
    if not mutation.patchType:
        problems.at("patchType").required()
        return
    if mutation.patchType not in PATCH_TYPES:
        problems.at("patchType").not_supported(mutation.patchType, PATCH_TYPES)
        return
    needed, excluded = OTHER[mutation.patchType]
    expression = getattr(mutation, needed)
    if expression is None:
        problems.at(needed).required(f"must be specified when patchType is {mutation.patchType}")
    elif not expression.expression.strip():
        problems.at(needed, "expression").required()
    if getattr(mutation, excluded) is not None:
        problems.at(excluded).invalid(f"{{{excluded}}}", f"must not be specified when patchType is {mutation.patchType}")
