"""Roles and bindings, indexed by whom they are for: what a user is granted is found without going through all bindings.

- The index follows the watch caches: before each answer it takes what has changed since the last one, so a change acts at once.
- A RoleBinding grants in its namespace, a ClusterRoleBinding everywhere. The rules of an aggregated role are those that it has.
- The order is that of the names, those of ClusterRoleBindings first; upstream's is any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.api.types.rbac_v1 import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject
from pilothouse.apiserver.auth.authorizer import Decision
from pilothouse.apiserver.auth.feed import Change, Feeds, Follower
from pilothouse.apiserver.auth.rbac.compiled import CompiledRules
from pilothouse.apiserver.auth.user import SERVICE_ACCOUNT_PREFIX, User

KINDS = (ClusterRole, ClusterRoleBinding, Role, RoleBinding)
GROUP = ClusterRole.GVK[0]
SCOPES_REMEMBERED = 20_000
"""Users in namespaces whose grants are kept at hand."""
Binding = ClusterRoleBinding | RoleBinding
SubjectKey = tuple[str, str]
"""("User" or "Group", name)."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A role that is bound to a user: its rules, and the decision that they give."""

    rules: CompiledRules
    decision: Decision
    source: tuple[PolicyRule, ...]


@dataclass(slots=True)
class Grants:
    """What one user is granted in one scope: by ClusterRoleBindings, or by the RoleBindings of a namespace."""

    resources: list[Granted] = field(default_factory=list)
    paths: list[Granted] = field(default_factory=list)
    all: list[Granted] = field(default_factory=list)
    missing: list[RoleRef] = field(default_factory=list)
    """What bindings name and is not there."""

    @property
    def errors(self) -> list[str]:
        """What is missing, in the words of upstream's authorizer."""
        return [_missing(ref, ref.kind.lower()) for ref in self.missing]

    def errors_as(self, resource: str) -> list[str]:
        """The same in the words of upstream's registry."""
        return [_missing(ref, resource) for ref in self.missing]


NOTHING = Grants()


class RoleIndex:
    """Roles and bindings by subject: which rules a user is granted, cluster-wide and by namespace."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self._follower = Follower(feeds, self._forget)
        self._version = 0
        self._bound: dict[tuple[str, SubjectKey], dict[str, Binding]] = {}
        self._roles: dict[tuple[str, str], Role | ClusterRole] = {}
        self._compiled: dict[tuple[str, str], CompiledRules] = {}
        self._grants: dict[tuple[str, tuple[str, ...], str], Grants] = {}

    @property
    def revision(self) -> int:
        """Another number whenever a decision may be another than before."""
        return max([feed.changed for feed in self._feeds.values()])

    def refresh(self) -> int:
        """Take what has changed; to be called before anything is asked. The number is another one after each change."""
        for kind, changes in self._follower.changes():
            self._follow(kind, changes)
            self._version += 1
        return self._version

    def grants(self, user: User, namespace: str) -> Grants:
        """What the user is granted in a namespace alone, or ("") everywhere."""
        known = self._grants.get((user.name, user.groups, namespace))
        return known if known is not None else self._new_grants(user, namespace)

    def _new_grants(self, user: User, namespace: str) -> Grants:
        bindings: dict[str, Binding] = {}
        for key in (("User", user.name), *(("Group", group) for group in user.groups)):
            bindings |= self._bound.get((namespace, key), {})
        if not bindings:  # most users in most namespaces
            return NOTHING
        grants = Grants()
        for name in sorted(bindings):
            self._add(grants, bindings[name], user)
        if len(self._grants) >= SCOPES_REMEMBERED:
            self._grants.clear()
        self._grants[user.name, user.groups, namespace] = grants
        return grants

    def rules_of(self, ref: RoleRef, namespace: str) -> tuple[PolicyRule, ...] | None:
        """The rules of the role that a binding names; None when it is not there."""
        self.refresh()
        role = self._role(ref, namespace)
        return None if role is None else tuple(role.rules or ())

    def _follow(self, kind: type[Any], changes: Sequence[Change]) -> None:
        self._grants.clear()
        take = self._take_binding if kind in (ClusterRoleBinding, RoleBinding) else self._take_role
        for old, new in changes:
            take(old, new)

    def _forget(self, kind: type[Any]) -> None:
        if kind in (ClusterRoleBinding, RoleBinding):
            is_wide = kind is ClusterRoleBinding
            self._bound = {key: bindings for key, bindings in self._bound.items() if (not key[0]) is not is_wide}
        else:
            is_wide = kind is ClusterRole
            self._roles = {key: role for key, role in self._roles.items() if (not key[0]) is not is_wide}
            self._compiled.clear()

    def _take_binding(self, old: Binding | None, new: Binding | None) -> None:
        if old is not None:
            for place in _places(old):
                self._bound.get(place, {}).pop(old.metadata.name, None)
        if new is not None:
            for place in _places(new):
                self._bound.setdefault(place, {})[new.metadata.name] = new

    def _take_role(self, old: Role | ClusterRole | None, new: Role | ClusterRole | None) -> None:
        meta = (new or old).metadata  # type: ignore[union-attr]
        place = (meta.namespace, meta.name)
        self._compiled.pop(place, None)
        if new is None:
            self._roles.pop(place, None)
        else:
            self._roles[place] = new

    def _add(self, grants: Grants, binding: Binding, user: User) -> None:
        namespace, ref = binding.metadata.namespace, binding.roleRef
        role = self._role(ref, namespace)
        if role is None:
            grants.missing.append(ref)
            return
        place = (role.metadata.namespace, role.metadata.name)
        compiled = self._compiled.get(place)
        if compiled is None:
            compiled = self._compiled[place] = CompiledRules(role.rules or ())
        decision = Decision(True, f"RBAC: allowed by {_described(binding, user)}")
        granted = Granted(compiled, decision, tuple(role.rules or ()))
        grants.all.append(granted)
        if compiled.has_resources:
            grants.resources.append(granted)
        if compiled.has_paths:
            grants.paths.append(granted)

    def _role(self, ref: RoleRef, namespace: str) -> Role | ClusterRole | None:
        if ref.kind == "Role":
            return self._roles.get((namespace, ref.name)) if namespace else None
        return self._roles.get(("", ref.name)) if ref.kind == "ClusterRole" else None


def _places(binding: Binding) -> Iterator[tuple[str, SubjectKey]]:
    """Under what a binding is found: its namespace, and each of its subjects."""
    namespace = binding.metadata.namespace
    return ((namespace, _key(subject, namespace)) for subject in binding.subjects)


def _key(subject: Subject, namespace: str) -> SubjectKey:
    """Where a subject is found; a kind that is none is nobody."""
    if subject.kind == "ServiceAccount":
        home = subject.namespace or namespace
        return ("User", f"{SERVICE_ACCOUNT_PREFIX}{home}:{subject.name}") if home else ("", "")
    return (subject.kind, subject.name) if subject.kind in ("User", "Group") else ("", "")


def _described(binding: Binding, user: User) -> str:
    namespace = binding.metadata.namespace
    mine = {("User", user.name), *(("Group", group) for group in user.groups)}
    subject = next(each for each in binding.subjects if _key(each, namespace) in mine)
    place = f"{binding.metadata.name}/{namespace}" if namespace else binding.metadata.name
    name = f"{subject.name}/{subject.namespace or namespace}" if subject.kind == "ServiceAccount" else subject.name
    return f'{binding.kind} "{place}" of {binding.roleRef.kind} "{binding.roleRef.name}" to {subject.kind} "{name}"'


def _missing(ref: RoleRef, resource: str) -> str:
    if ref.kind in ("Role", "ClusterRole"):
        return f'{resource}.{GROUP} "{ref.name}" not found'
    return f'unsupported role reference kind: "{ref.kind}"'
