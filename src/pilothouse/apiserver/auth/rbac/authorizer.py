"""RBAC: decides by the roles and bindings of the cluster (upstream's plugin/pkg/auth/authorizer/rbac), and knows whether somebody
grants more than is his.

- A denial tells which roles its user is bound to that are not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilothouse.api.types.rbac_v1 import PolicyRule, RoleRef
from pilothouse.apiserver.auth.authorizer import DENIED, Attributes, Decision, UserRules
from pilothouse.apiserver.auth.feed import Feeds
from pilothouse.apiserver.auth.rbac.index import NOTHING, RoleIndex
from pilothouse.apiserver.auth.user import User
from pilothouse.machinery.quoting import aggregate

DECISIONS_REMEMBERED = 20_000


class RBACAuthorizer:
    """Authorizer of the mode RBAC: decides by the Roles and bindings that the watch caches hold."""

    def __init__(self, feeds: Feeds) -> None:
        """`feeds` are those of the four kinds."""
        self.index = RoleIndex(feeds)
        self._decisions: dict[tuple[Any, ...], Decision] = {}
        """Those that the roles and bindings of `_version` give."""
        self._version = 0

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        """The first grant that allows it, or what is missing."""
        version = self.index.refresh()
        if version != self._version or len(self._decisions) >= DECISIONS_REMEMBERED:
            self._decisions.clear()
            self._version = version
        asked = attributes
        key = (user.name, user.groups, asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace, asked.name, asked.path)
        known = self._decisions.get(key)
        if known is None:
            known = self._decisions[key] = self._decide(user, asked)
        return known

    def _decide(self, user: User, attributes: Attributes) -> Decision:
        everywhere = self.index.grants(user, "")
        here = self.index.grants(user, attributes.namespace) if attributes.namespace else NOTHING
        resource = f"{attributes.resource}/{attributes.subresource}" if attributes.subresource else attributes.resource
        is_path = bool(attributes.path)
        for grants in (everywhere, here):
            for granted in grants.paths if is_path else grants.resources:
                if granted.rules.allows(attributes, resource):
                    return granted.decision
        if not everywhere.missing and not here.missing:
            return DENIED
        return Decision(False, f"RBAC: {aggregate([*everywhere.errors, *here.errors])}")

    def revision(self) -> int:
        """Another number whenever a decision may be another than before."""
        return self.index.revision

    def visible_rules(self, user: User, namespace: str) -> UserRules:
        """Every rule that applies to a user in a namespace."""
        return UserRules(*self.rules(user, namespace))

    def rules(self, user: User, namespace: str, resource: str = "") -> tuple[Sequence[PolicyRule], str]:
        """Every rule that applies to a user in a namespace, and what could not be found: as its kind, or as `resource`, which upstream's
        registry names while it serves a request for that."""
        self.index.refresh()
        scopes = [self.index.grants(user, scope) for scope in ("", namespace)[: 2 if namespace else 1]]
        rules = [rule for grants in scopes for granted in grants.all for rule in granted.source]
        return rules, aggregate([error for grants in scopes for error in (grants.errors_as(resource) if resource else grants.errors)])

    def role_rules(self, ref: RoleRef, namespace: str) -> Sequence[PolicyRule] | None:
        """The rules of the role that a binding in a namespace names; None when it is not there."""
        return self.index.rules_of(ref, namespace)
