"""Rules that policies which refuse and policies which change share, and those of their bindings.

Whether CEL compiles is not looked at here.
"""

from __future__ import annotations

import re
from typing import Any

from pilothouse.api.admissionregistration.rules import validate_rule
from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.types.admissionregistration_v1 import MatchResources, ParamKind, ParamRef, Variable
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

FAILURE_POLICIES, MATCH_POLICIES = ("Fail", "Ignore"), ("Equivalent", "Exact")
MISSING_ACTIONS = ("Deny", "Allow")
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
EXCLUSIVE = "name and selector are mutually exclusive"


def validate_policy_spec(spec: Any, problems: Problems) -> None:
    """What comes first in both kinds of policies: when it fails, its parameter, what it matches."""
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


def validate_variables(variables: list[Variable], problems: Problems) -> None:
    for index, variable in enumerate(variables):
        here = problems.at(index)
        if not variable.name.strip():
            here.at("name").required("name is not specified")
        elif not CEL_IDENTIFIER.fullmatch(variable.name) or variable.name in CEL_RESERVED:
            here.at("name").invalid(variable.name, "must be a valid CEL identifier")
        if not variable.expression.strip():
            here.at("expression").required("expression is not specified")


def validate_parameter(reference: ParamRef | None, problems: Problems) -> None:
    """The object that a binding gives to its policy, or the selector of such."""
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
    elif action not in MISSING_ACTIONS:
        problems.at("parameterNotFoundAction").not_supported(action, MISSING_ACTIONS)
