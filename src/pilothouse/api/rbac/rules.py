"""Shared by Roles, ClusterRoles and their bindings: columns and validation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pilothouse.api.core.validation.fields import report
from pilothouse.api.internal import internal
from pilothouse.api.types.rbac_v1 import PolicyRule, RoleRef, Subject
from pilothouse.machinery import names
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column

GROUP = "rbac.authorization.k8s.io"


def _subjects(kind: str) -> Any:
    def cell(obj: Any) -> str:
        subjects = [subject for subject in obj.subjects if subject.kind == kind]
        return ", ".join(f"{subject.namespace}/{subject.name}" if kind == "ServiceAccount" else subject.name for subject in subjects)

    return cell


BINDING_COLUMNS = (
    Column("Role", lambda binding: f"{binding.roleRef.kind}/{binding.roleRef.name}"),
    AGE,
    Column("Users", _subjects("User"), priority=1),
    Column("Groups", _subjects("Group"), priority=1),
    Column("ServiceAccounts", _subjects("ServiceAccount"), priority=1),
)


def default_binding(role: RoleRef, subjects: Iterable[Subject]) -> None:
    """Set rbac.authorization.k8s.io as API group of the role, and of users and groups."""
    role.apiGroup = role.apiGroup or GROUP
    for subject in subjects:
        if subject.kind in ("User", "Group"):
            subject.apiGroup = subject.apiGroup or GROUP


def validate_binding(role: RoleRef, subjects: Iterable[Subject], kinds: tuple[str, ...], problems: Problems) -> None:
    """Role reference of one of `kinds`, and subjects. Upstream: ValidateRoleBinding, ValidateClusterRoleBinding."""
    here = problems.at("roleRef")
    if role.apiGroup != GROUP:
        here.at("apiGroup").not_supported(role.apiGroup, (GROUP,))
    if role.kind not in kinds:
        here.at("kind").not_supported(role.kind, kinds)
    if role.name:
        report(names.path_segment(role.name), role.name, here, "name")
    subjects = [*subjects]
    for index, subject in enumerate(subjects):
        _validate_subject(subject, len(kinds) > 1, problems.at("subjects", index))
    for index, subject in enumerate(subjects):  # upstream's declared rules are told after the others
        if not subject.name:
            problems.at("subjects", index, "name").required()
    if not role.name:
        here.at("name").required()


def _validate_subject(subject: Subject, namespaced: bool, problems: Problems) -> None:
    match subject.kind:
        case "ServiceAccount":
            if subject.name:
                report(names.dns_subdomain(subject.name), subject.name, problems, "name")
            if subject.apiGroup:
                problems.at("apiGroup").not_supported(subject.apiGroup, ("",))
            if not namespaced and not subject.namespace:
                problems.at("namespace").required()
        case "User" | "Group":
            if subject.apiGroup != GROUP:
                problems.at("apiGroup").not_supported(subject.apiGroup, (GROUP,))
        case _:
            problems.at("kind").not_supported(subject.kind, ("ServiceAccount", "User", "Group"))


def validate_role_ref(old: RoleRef, new: RoleRef, problems: Problems) -> None:
    """Report a role reference that changed."""
    if old != new:
        problems.at("roleRef").invalid(internal(new, "rbac.RoleRef"), IMMUTABLE)


def validate_rules(rules: Iterable[PolicyRule], namespaced: bool, problems: Problems) -> None:
    """Policy rules; `namespaced` ones may not name URLs. Upstream: ValidatePolicyRule."""
    for index, rule in enumerate(rules):
        here = problems.at("rules", index)
        if rule.nonResourceURLs:
            if namespaced:
                message = "namespaced rules cannot apply to non-resource URLs"
                here.at("nonResourceURLs").invalid(rule.nonResourceURLs, message)
            if rule.apiGroups or rule.resources or rule.resourceNames:
                message = "rules cannot apply to both regular resources and non-resource URLs"
                here.at("nonResourceURLs").invalid(rule.nonResourceURLs, message)
            continue
        if not rule.apiGroups:
            here.at("apiGroups").required("resource rules must supply at least one api group")
        if not rule.resources:
            here.at("resources").required("resource rules must supply at least one resource")


def validate_verbs(rules: Iterable[PolicyRule], problems: Problems) -> None:
    """Said after all else."""
    for index, rule in enumerate(rules):
        if not rule.verbs:
            problems.at("rules", index, "verbs").required()
