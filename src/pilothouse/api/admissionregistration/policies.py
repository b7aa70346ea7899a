"""Shared by ValidatingAdmissionPolicy and MutatingAdmissionPolicy: columns, defaults and validation.

The words are upstream's (pkg/apis/admissionregistration/validation).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pilothouse.api.admissionregistration.rules import validate_rule
from pilothouse.api.admissionregistration.webhooks import default_match, validate_conditions
from pilothouse.api.core.columns import UNSET
from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.types.admissionregistration_v1 import (
    MatchResources,
    MutatingAdmissionPolicy,
    ParamKind,
    ValidatingAdmissionPolicy,
    Variable,
)
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Column

Policy = ValidatingAdmissionPolicy | MutatingAdmissionPolicy

FAILURE_POLICIES, MATCH_POLICIES = ("Fail", "Ignore"), ("Equivalent", "Exact")
MUTATING_OPERATIONS = ("*", "CONNECT", "CREATE", "UPDATE")
"""Operations that a MutatingAdmissionPolicy may match: a DELETE has no object to change."""
CEL_IDENTIFIER = re.compile("[_a-zA-Z][_a-zA-Z0-9]*")
CEL_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


class Expressions:
    """Judges the expressions of a policy in their order: variables are seen by what follows them.

    `before` are expressions that the policy had already: they may use what is too new for other API servers of the cluster.
    """

    def __init__(self, policy: Policy, before: Iterable[str], *, composed: bool) -> None:
        from pilothouse.api.expressions.admission import Compiler

        self._compiler = Compiler(params=policy.spec.paramKind is not None, composed=composed)
        self._before = frozenset(before)

    def add_variable(self, name: str, expression: str, problems: Problems) -> None:
        """Judge a variable, and let what follows see it."""
        self._compiler.add_variable(name, expression, stored=expression in self._before).report(problems)

    def check(self, expression: str, purpose: str, problems: Problems, *, shown: str = "") -> None:
        """Report an expression that does not compile, or has a result type that its purpose does not allow (see expressions.RETURNS).

        `shown` is the value in the error, if not the expression.
        """
        self._compiler.compile(expression, purpose, stored=expression in self._before).report(problems, shown)


def _param_kind(policy: Policy) -> str:
    kind = policy.spec.paramKind
    return f"{kind.apiVersion}/{kind.kind}" if kind else UNSET


PARAM_KIND = Column("ParamKind", _param_kind)


def default_policy(policy: Policy) -> None:
    """Fill in failurePolicy and what matchConstraints leave out."""
    if policy.spec.failurePolicy is None:
        policy.spec.failurePolicy = "Fail"
    if policy.spec.matchConstraints:
        default_match(policy.spec.matchConstraints)


def validate_policy(policy: Policy, old: Policy | None, expressions: Expressions, problems: Problems) -> None:
    """The rules of both kinds of policies, as far as they come before those of validations and mutations.

    `old` is None for a new object. Conditions that an update leaves alone are not judged again.
    """
    spec = policy.spec
    if spec.failurePolicy is None:
        problems.at("failurePolicy").required()
    elif spec.failurePolicy not in FAILURE_POLICIES:
        problems.at("failurePolicy").not_supported(spec.failurePolicy, FAILURE_POLICIES)
    if spec.paramKind is not None:
        _validate_kind(spec.paramKind, problems.at("paramKind"))
    if spec.matchConstraints is None:
        problems.at("matchConstraints").required()
    else:
        validate_match_resources(spec.matchConstraints, problems.at("matchConstraints"))
        if not spec.matchConstraints.resourceRules:
            problems.at("matchConstraints", "resourceRules").required()
        if isinstance(policy, MutatingAdmissionPolicy):
            validate_operations(spec.matchConstraints, problems.at("matchConstraints"))
    if old is None or (spec.paramKind, spec.matchConditions) != (old.spec.paramKind, old.spec.matchConditions):
        before = [] if old is None else old.spec.matchConditions
        validate_conditions(spec.matchConditions, before, problems.at("matchConditions"), params=spec.paramKind is not None)
    _validate_variables(spec.variables, expressions, problems.at("variables"))


def validate_operations(resources: MatchResources, problems: Problems) -> None:
    """Refuse operations that a MutatingAdmissionPolicy cannot match."""
    for rule in resources.resourceRules:
        for operation in rule.operations:
            if operation not in MUTATING_OPERATIONS:
                problems.at("resourceRules", "operations").not_supported(operation, MUTATING_OPERATIONS)


def _validate_kind(kind: ParamKind, problems: Problems) -> None:
    here = problems.at("apiVersion")
    parts = kind.apiVersion.split("/")
    if not kind.apiVersion:
        here.required()
    elif len(parts) > 2:
        here.invalid(kind.apiVersion, f"unexpected GroupVersion string: {kind.apiVersion}")
    else:
        group, version = (parts[0], parts[1]) if len(parts) == 2 else ("", parts[0])
        wrong = names.dns_subdomain(group) if group else []
        if wrong:
            here.invalid(group, ",".join(wrong))
        wrong = names.dns1035_label(version)
        if not version:
            here.invalid(kind.apiVersion, "version must be specified")
        elif wrong:
            here.invalid(version, ",".join(wrong))
    wrong = names.dns1035_label(kind.kind.lower())
    if not kind.kind:
        problems.at("kind").required()
    elif wrong:
        problems.at("kind").invalid(kind.kind, f"may have mixed case, but should otherwise match: {','.join(wrong)}")


def validate_match_resources(resources: MatchResources | None, problems: Problems) -> None:
    """Rules of `matchConstraints` or `matchResources`; nothing to check when it is absent."""
    if resources is None:
        return
    if resources.matchPolicy is None:
        problems.at("matchPolicy").required()
    elif resources.matchPolicy not in MATCH_POLICIES:
        problems.at("matchPolicy").not_supported(resources.matchPolicy, MATCH_POLICIES)
    for field in ("namespaceSelector", "objectSelector"):
        if getattr(resources, field) is None:
            problems.at(field).required()
        else:
            validate_label_selector(getattr(resources, field), problems.at(field))
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(getattr(resources, field)):
            here = problems.at(field, index)
            for place, name in enumerate(rule.resourceNames):
                report(names.path_segment(name), name, here, "resourceNames", place)
                if name in rule.resourceNames[:place]:
                    here.at("resourceNames", place).duplicate(name)
            validate_rule(rule, here)


def _validate_variables(variables: list[Variable], expressions: Expressions, problems: Problems) -> None:
    for index, variable in enumerate(variables):
        here = problems.at(index)
        if not variable.name.strip():
            here.at("name").required("name is not specified")
        elif not CEL_IDENTIFIER.fullmatch(variable.name) or variable.name in CEL_RESERVED:
            here.at("name").invalid(variable.name, "must be a valid CEL identifier")
        if not variable.expression.strip():
            here.at("expression").required("expression is not specified")
        else:
            expressions.add_variable(variable.name, variable.expression, here.at("expression"))
