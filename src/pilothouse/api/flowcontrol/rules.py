"""Rules of the requests that a FlowSchema matches: by whom, of what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.flowcontrol_v1 import (
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    ResourcePolicyRule,
    ServiceAccountSubject,
    Subject,
)
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
SUBJECTS = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}
NAMESPACE = "each member of this list must be '*' or a DNS-1123 label; "


def validate_rules(rules: list[PolicyRulesWithSubjects], problems: Problems) -> None:
    """Subjects and resources of every rule. Upstream: ValidateFlowSchemaPolicyRulesWithSubjects."""
    for index, rule in enumerate(rules):
        here = problems.at(index)
        if not rule.subjects:
            here.at("subjects").required("subjects must contain at least one value")
        for position, subject in enumerate(rule.subjects or ()):
            _validate_subject(subject, here.at("subjects", position))
        if not rule.resourceRules and not rule.nonResourceRules:
            here.required("at least one of resourceRules and nonResourceRules has to be non-empty")
        for position, resource in enumerate(rule.resourceRules):
            _validate_resource(resource, here.at("resourceRules", position))
        for position, other in enumerate(rule.nonResourceRules):
            _validate_non_resource(other, here.at("nonResourceRules", position))


def _validate_subject(subject: Subject, problems: Problems) -> None:
    own = SUBJECTS.get(subject.kind)
    if own is None:
        problems.at("kind").not_supported(subject.kind, sorted(SUBJECTS))
        return
    value, here = getattr(subject, own), problems.at(own)
    if value is None:
        here.required(f"{own} is required when subject kind is '{subject.kind}'")
    elif not value.name:
        here.at("name").required()
    elif isinstance(value, ServiceAccountSubject) and value.name != "*":
        report(names.dns_subdomain(value.name), value.name, here, "name")
    if isinstance(value, ServiceAccountSubject):
        if value.namespace:
            report(names.dns_label(value.namespace), value.namespace, here, "namespace")
        else:
            here.at("namespace").required("must specify namespace for service account")
    for kind, field in SUBJECTS.items() if subject.kind != "ServiceAccount" else (("User", "user"), ("Group", "group")):
        if field != own and getattr(subject, field) is not None:
            problems.at(field).forbidden(f"{field} is forbidden when subject kind is not '{kind}'")


def _validate_verbs(verbs: list[str] | None, problems: Problems) -> None:
    if not verbs:
        problems.required("verbs must contain at least one value")
    elif "*" in verbs:
        _validate_alone(verbs, "verbs", problems)
    elif not set(verbs) <= set(VERBS):
        problems.not_supported(verbs, VERBS)


def _validate_alone(values: list[str], called: str, problems: Problems) -> None:
    if len(values) > 1 and "*" in values:
        problems.invalid(values, f"if '*' is present, must not specify other {called}")


def _validate_resource(rule: ResourcePolicyRule, problems: Problems) -> None:
    _validate_verbs(rule.verbs, problems.at("verbs"))
    for field, called, single in (("apiGroups", "api groups", "api group"), ("resources", "resources", "resource")):
        values = getattr(rule, field)
        if not values:
            problems.at(field).required(f"resource rules must supply at least one {single}")
        _validate_alone(values or [], called, problems.at(field))
    here, namespaces = problems.at("namespaces"), rule.namespaces or []
    if not namespaces and not rule.clusterScope:
        here.required("resource rules that are not cluster scoped must supply at least one namespace")
    elif "*" in namespaces:
        _validate_alone(namespaces, "namespaces", here)
    else:
        for index, namespace in enumerate(namespaces):
            report([NAMESPACE + message for message in names.dns_label(namespace)], namespace, here, index)


def _validate_non_resource(rule: NonResourcePolicyRule, problems: Problems) -> None:
    _validate_verbs(rule.verbs, problems.at("verbs"))
    here, paths = problems.at("nonResourceURLs"), rule.nonResourceURLs or []
    if not paths:
        here.required("nonResourceURLs must contain at least one value")
    elif "*" in paths:
        _validate_alone(paths, "non-resource URLs", here)
    else:
        for index, path in enumerate(paths):
            wrong = next((message for holds, message in PATH_RULES if holds(path)), "")
            if wrong:
                here.at(index).invalid(path, wrong)


PATH_RULES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda path: not path, "must not be empty"),
    (lambda path: not path.startswith("/"), "must start with slash"),
    (lambda path: " " in path, "must not contain white-space"),
    (lambda path: "//" in path, "must not contain double slash"),
    (lambda path: path.count("*") > 1 or ("*" in path and not path.endswith("/*")), "wildcard can only do suffix matching"),
)


def validate_condition_types(conditions: list[Any], problems: Problems) -> None:
    """Condition types are set and unique. Upstream: ValidateFlowSchemaStatus."""
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        here = problems.at(index, "type")
        if condition.type in seen:
            here.duplicate(condition.type)
        seen.add(condition.type)
        if not condition.type:
            here.required()
