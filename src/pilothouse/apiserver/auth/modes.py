"""Authorizers one after the other, as --authorization-mode names them: the first that grants or denies decides (upstream's union)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pilothouse import API_LEVEL
from pilothouse.api.types.certificates_v1 import PodCertificateRequest
from pilothouse.api.types.rbac_v1 import ClusterRole, PolicyRule, RoleRef
from pilothouse.apiserver.auth.authorizer import ALLOWED, AlwaysAllow, AlwaysDeny, Attributes, Decision, ModeAuthorizer, UserRules
from pilothouse.apiserver.auth.feed import Feeds
from pilothouse.apiserver.auth.rbac.authorizer import RBACAuthorizer
from pilothouse.apiserver.auth.rbac.bootstrap import bootstrap_objects
from pilothouse.apiserver.auth.user import MASTERS, User
from pilothouse.machinery.quoting import aggregate

if TYPE_CHECKING:
    from pilothouse.apiserver.auth.node.authorizer import NodeAuthorizer

NODE, RBAC, ALWAYS_ALLOW, ALWAYS_DENY = "Node", "RBAC", "AlwaysAllow", "AlwaysDeny"
DEFAULT_MODES = (NODE, RBAC)
"""As kubeadm starts an API server."""
NODE_ROLE = "system:node"


class AuthorizerChain:
    """Asks authorizers in their order. Members of `system:masters` may do everything, whatever they say.

    A denial tells why each of them did not grant it, by their names. Whether somebody grants more than is his is decided by roles alone.
    """

    def __init__(self, authorizers: Sequence[tuple[str, ModeAuthorizer]], roles: RBACAuthorizer) -> None:
        self.authorizers = tuple(authorizers)
        self._roles = roles

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        """The first decision that is one, or all reasons against it."""
        if MASTERS in user.groups:
            return ALLOWED
        reasons = []
        for name, authorizer in self.authorizers:
            decision = authorizer.authorize(user, attributes)
            if decision.allowed or decision.is_final:
                return decision
            if decision.reason:
                reasons.append(f"{name}: {decision.reason}")
        return Decision(False, "\n".join(reasons))

    def revision(self) -> int:
        """Another number whenever a decision may be another than before."""
        return sum(authorizer.revision() for _, authorizer in self.authorizers)

    def visible_rules(self, user: User, namespace: str) -> UserRules:
        """Everything that they can list of what the user may do in a namespace."""
        told = [authorizer.visible_rules(user, namespace) for _, authorizer in self.authorizers]
        rules = [rule for each in told for rule in each.rules]
        return UserRules(rules, aggregate([each.error for each in told if each.error]), any(each.incomplete for each in told))

    def rules(self, user: User, namespace: str, resource: str = "") -> tuple[Sequence[PolicyRule], str]:
        """The rules that roles give the user."""
        return self._roles.rules(user, namespace, resource)

    def role_rules(self, ref: RoleRef, namespace: str) -> Sequence[PolicyRule] | None:
        """The rules of the role that a binding names; None when it is not there."""
        return self._roles.role_rules(ref, namespace)


def authorizer_of(modes: Sequence[str], role_feeds: Feeds, node_feeds: Feeds, level: str = API_LEVEL) -> AuthorizerChain:
    """The authorizers of these modes. The feeds of the kinds of RBAC, and of those that NodeGraph follows, may be filled in later."""
    roles = RBACAuthorizer(role_feeds)
    made: dict[str, ModeAuthorizer] = {}
    for mode in modes:
        match mode:
            case "Node":
                made[mode] = node_authorizer(node_feeds, level)
            case "RBAC":
                made[mode] = roles
            case "AlwaysAllow":
                made[mode] = AlwaysAllow()
            case "AlwaysDeny":
                made[mode] = AlwaysDeny()
            case _:
                raise ValueError(f'authorization mode "{mode}" is not known')
    return AuthorizerChain([(mode.lower(), authorizer) for mode, authorizer in made.items()], roles)


def node_authorizer(feeds: Feeds, level: str = API_LEVEL) -> NodeAuthorizer:
    """The Node authorizer of an API level."""
    from pilothouse.apiserver.auth.node.authorizer import NodeAuthorizer  # late: only clusters with nodes need it

    roles = (each for each in bootstrap_objects(level) if isinstance(each, ClusterRole) and each.metadata.name == NODE_ROLE)
    return NodeAuthorizer(feeds, next(roles).rules or (), level >= PodCertificateRequest.LEVEL)
