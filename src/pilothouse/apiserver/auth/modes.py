"""Authorizers one after the other, as --authorization-mode names them: the first that grants or denies decides (upstream's union)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pilothouse import API_LEVEL
from pilothouse.api.types.certificates_v1 import PodCertificateRequest
from pilothouse.api.types.rbac_v1 import ClusterRole, PolicyRule, RoleRef
from pilothouse.apiserver.auth.authorizer import (
    ALLOWED,
    AlwaysAllow,
    AlwaysDeny,
    Attributes,
    Authorizer,
    Decision,
    ModeAuthorizer,
    Unanswered,
    UserRules,
)
from pilothouse.apiserver.auth.feed import Feeds
from pilothouse.apiserver.auth.rbac.authorizer import RBACAuthorizer
from pilothouse.apiserver.auth.rbac.bootstrap import bootstrap_objects
from pilothouse.apiserver.auth.user import MASTERS, User
from pilothouse.apiserver.auth.webhookauthorizer import WebhookAuthorizer
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
        self.modes = dict(authorizers)
        """Those that were there at the start, by their names: no others may be arranged later, but for webhooks."""
        self._roles = roles
        self._arrangements = 0
        self.authorizers: tuple[tuple[str, ModeAuthorizer], ...] = ()
        self.waits = False
        """Whether one of them may have to be waited for: a decision is then that of `decide`."""
        self.arrange(authorizers)

    def arrange(self, authorizers: Sequence[tuple[str, ModeAuthorizer]]) -> None:
        """Ask these from now on."""
        self.authorizers = tuple(authorizers)
        self.waits = any(isinstance(authorizer, WebhookAuthorizer) for _, authorizer in authorizers)
        self._arrangements += 1 << 32

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        """The first decision that is one, or all reasons against it. What a webhook was not asked yet is denied: `decide` waits for it."""
        try:
            return self._walk(user, attributes, {})
        except Unanswered as unanswered:
            return Decision(False, str(unanswered), is_final=True)

    async def decide(self, user: User, attributes: Attributes) -> Decision:
        """The same, when everybody has answered."""
        answers: dict[str, Decision] = {}
        while True:
            try:
                return self._walk(user, attributes, answers)
            except Unanswered as unanswered:
                name = next(name for name, _ in self.authorizers if name not in answers)
                answers[name] = await unanswered.answer()

    def _walk(self, user: User, attributes: Attributes, answers: dict[str, Decision]) -> Decision:
        """The decision; `answers` has those of authorizers that were asked already, and gets the others."""
        if MASTERS in user.groups:
            return ALLOWED
        reasons: list[str] = []
        problems: list[str] = []
        for name, authorizer in self.authorizers:
            decision = answers[name] = answers[name] if name in answers else authorizer.authorize(user, attributes)
            if decision.allowed or decision.is_final:
                return decision if decision.allowed or not problems else replace(decision, error=aggregate([*problems, decision.error]))
            if decision.error:
                problems.append(decision.error)
            if decision.reason:
                reasons.append(f"{name}: {decision.reason}")
        return Decision(False, "\n".join(reasons), error=aggregate(problems))

    def revision(self) -> int:
        """Another number whenever a decision may be another than before."""
        return self._arrangements + sum(authorizer.revision() for _, authorizer in self.authorizers)

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


async def decide(authorizer: Authorizer, user: User, attributes: Attributes) -> Decision:
    """The decision of an authorizer, whether it must be waited for or not."""
    if isinstance(authorizer, AuthorizerChain) and authorizer.waits:
        return await authorizer.decide(user, attributes)
    return authorizer.authorize(user, attributes)


def waits(authorizer: Authorizer | None) -> bool:
    """Whether a decision may have to be waited for."""
    return isinstance(authorizer, AuthorizerChain) and authorizer.waits


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
