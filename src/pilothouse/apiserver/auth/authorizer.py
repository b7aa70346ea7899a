"""The question "may this user do that?", and the interface of who answers it; RBAC is in `rbac/`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pilothouse.api.types.rbac_v1 import PolicyRule, RoleRef
from pilothouse.apiserver.auth.user import User
from pilothouse.machinery.errors import StatusError, failure, forbidden


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is to be done: a verb on a resource, or (when `path` is set) on a plain path."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""
    """Of a list, a watch or a deletecollection, as it was sent; so is `label_selector`."""
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, and why (the reason is shown to the user). What is not allowed, another authorizer may allow, unless the
    decision `is_final`."""

    allowed: bool
    reason: str = ""
    is_final: bool = False
    error: str = ""
    """What went wrong on the way to it: a webhook that did not answer."""


@dataclass(frozen=True, slots=True)
class UserRules:
    """What a user may do in a namespace, as far as it can be listed."""

    rules: Sequence[PolicyRule] = ()
    error: str = ""
    """Why that may not be all."""
    incomplete: bool = False


ALLOWED = Decision(True)
DENIED = Decision(False)


class Unanswered(Exception):
    """A decision needs an answer from elsewhere, which `answer` waits for."""

    def __init__(self, answer: Callable[[], Awaitable[Decision]]) -> None:
        super().__init__("a webhook has not been asked yet")
        self.answer = answer


class ModeAuthorizer(Protocol):
    """One authorizer of several; must not wait for anything slow: it is asked for every request. One that would have to raises
    Unanswered."""

    def revision(self) -> int:
        """Another number whenever a decision may be another than before."""
        ...

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        """Whether `user` may do what `attributes` describe."""
        ...

    def visible_rules(self, user: User, namespace: str) -> UserRules:
        """Everything that the user may do in a namespace, as far as it can be listed."""
        ...


class Authorizer(ModeAuthorizer, Protocol):
    """Who decides in the end, and who knows what roles grant."""

    def rules(self, user: User, namespace: str, resource: str = "") -> tuple[Sequence[PolicyRule], str]:
        """Every rule that roles give the user in a namespace, and why that may not be all, as it is told of requests for `resource`."""
        ...

    def role_rules(self, ref: RoleRef, namespace: str) -> Sequence[PolicyRule] | None:
        """The rules of the role that a binding in a namespace names; None when there is no such role."""
        ...


class AlwaysAllow:
    """Everybody may do everything: kube-apiserver's --authorization-mode=AlwaysAllow."""

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        """Always allowed."""
        return ALLOWED

    def revision(self) -> int:
        """Never another decision."""
        return 0

    def visible_rules(self, user: User, namespace: str) -> UserRules:
        """Everything."""
        return UserRules(EVERYTHING)


class AlwaysDeny:
    """Nobody may do anything: kube-apiserver's --authorization-mode=AlwaysDeny."""

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        """Never allowed."""
        return NOTHING_ALLOWED

    def revision(self) -> int:
        """Never another decision."""
        return 0

    def visible_rules(self, user: User, namespace: str) -> UserRules:
        """Nothing."""
        return UserRules()


NOTHING_ALLOWED = Decision(False, "Everything is forbidden.")
EVERYTHING = (PolicyRule(verbs=["*"], apiGroups=["*"], resources=["*"]), PolicyRule(verbs=["*"], nonResourceURLs=["*"]))


def denied(user: User, attributes: Attributes, decision: Decision) -> StatusError:
    """The 403 of a decision against what the user asked, in upstream's words, with the decision's reason."""
    cause = denial(user, attributes) + (f": {decision.reason}" if decision.reason else "")
    if attributes.path:
        return failure(403, "Forbidden", f"forbidden: {cause}")
    return forbidden(attributes.resource, attributes.group, attributes.name, cause)


def denial(user: User, attributes: Attributes) -> str:
    """What is forbidden, in upstream's words: the text after `is forbidden: `. What HTML would take for markup is escaped."""
    return _said(user, attributes).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _said(user: User, attributes: Attributes) -> str:
    name = f'"{user.name}"'
    if attributes.path:
        return f'User {name} cannot {attributes.verb} path "{attributes.path}"'
    resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    scope = f'in the namespace "{attributes.namespace}"' if attributes.namespace else "at the cluster scope"
    return f'User {name} cannot {attributes.verb} resource "{resource}" in API group "{attributes.group}" {scope}'
