"""Roles and bindings of the cluster, asked where the static table does not allow: what users and operators are granted.

- A RoleBinding grants in its namespace, a ClusterRoleBinding everywhere; `*/scale` means that subresource of everything.
- The rules of a role are those that it has: of an aggregated one those that the controller has written.
- Who may write roles and bindings only by such a grant must hold every right in that scope, or be granted `escalate` or `bind`:
  stricter than upstream, which compares the rules one by one, so that nobody grants himself more than he has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from pilothouse.api.types.rbac_v1 import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject
from pilothouse.apiserver.auth.authorizer import Attributes, Authorizer, Decision, Rule
from pilothouse.apiserver.auth.static import ALLOWED, DENIED, WRITE, allows
from pilothouse.apiserver.auth.user import SERVICE_ACCOUNT_PREFIX, User

T = TypeVar("T")

GROUP = "rbac.authorization.k8s.io"
RIGHTS_TO_GRANT = ("bind", "escalate")


class Objects(Protocol):
    """The cluster's objects as they are now; nothing of a kind that is not known yet."""

    def get(self, kind: type[T], name: str, namespace: str = "") -> T | None:
        """The object, or None."""

    def list(self, kind: type[T], namespace: str = "") -> Sequence[T]:
        """All objects of this kind, of one namespace when `namespace` is set."""

    def revision(self) -> int:
        """The newest revision at which a role or a binding was written."""
        ...


class RoleAuthorizer:
    """`first` decides; where it denies, the roles do."""

    def __init__(self, first: Authorizer, objects: Objects) -> None:
        self._first = first
        self._objects = objects

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        """Allow what `first` or a role of the user allows. Writing roles and bindings also needs the rights that they would grant."""
        decision = self._first.authorize(user, attributes)
        if decision.allowed:
            return decision
        granted = [*self._granted(user, attributes.namespace)]
        if not any(_allows(rule, attributes) for rule in granted):
            return DENIED
        return ALLOWED if _may_grant(granted, attributes) else DENIED

    def revision(self) -> int:
        """A number that changes with every change of roles and bindings."""
        return self._objects.revision()

    def rules(self, user: User, namespace: str) -> list[Rule]:
        """All rules that apply to the user in this namespace, as SelfSubjectRulesReview lists them."""
        return [*self._first.rules(user, namespace), *self._granted(user, namespace)]

    def _granted(self, user: User, namespace: str) -> Iterator[Rule]:
        for everywhere in self._objects.list(ClusterRoleBinding):
            if any(_is(subject, user, "") for subject in everywhere.subjects):
                yield from self._rules_of(everywhere.roleRef, "")
        bindings: Sequence[RoleBinding] = self._objects.list(RoleBinding, namespace) if namespace else ()
        for binding in bindings:
            if any(_is(subject, user, namespace) for subject in binding.subjects):
                yield from (rule for rule in self._rules_of(binding.roleRef, namespace) if not rule.paths)

    def _rules_of(self, ref: RoleRef, namespace: str) -> Iterator[Rule]:
        role: Role | ClusterRole | None = None
        if ref.kind == "ClusterRole":
            role = self._objects.get(ClusterRole, ref.name)
        elif namespace:
            role = self._objects.get(Role, ref.name, namespace)
        yield from map(_rule, (role.rules or ()) if role is not None else ())


def _rule(rule: PolicyRule) -> Rule:
    return Rule(
        tuple(rule.verbs or ()), tuple(rule.apiGroups), tuple(rule.resources), tuple(rule.resourceNames), tuple(rule.nonResourceURLs)
    )


def _is(subject: Subject, user: User, namespace: str) -> bool:
    if subject.kind == "User":
        return subject.name == user.name
    if subject.kind == "Group":
        return subject.name in user.groups
    home = subject.namespace or namespace
    return subject.kind == "ServiceAccount" and bool(home) and user.name == f"{SERVICE_ACCOUNT_PREFIX}{home}:{subject.name}"


def _allows(rule: Rule, asked: Attributes) -> bool:
    if rule.paths and not asked.path:
        return False
    if allows(rule, asked):
        return True
    anywhere = f"*/{asked.subresource}"
    return bool(asked.subresource) and anywhere in rule.resources and allows(Rule(rule.verbs, rule.groups, ("*",), rule.names), asked)


def _may_grant(granted: Sequence[Rule], asked: Attributes) -> bool:
    """Whether somebody who may do this may do so without rising above himself."""
    if asked.group != GROUP or asked.verb not in WRITE or asked.path:
        return True
    if any("*" in rule.verbs and "*" in rule.groups and "*" in rule.resources and not rule.names for rule in granted):
        return True
    rights = (Attributes(verb, asked.group, asked.version, asked.resource, "", asked.namespace) for verb in RIGHTS_TO_GRANT)
    return asked.verb.startswith("delete") or any(_allows(rule, right) for right in rights for rule in granted)
