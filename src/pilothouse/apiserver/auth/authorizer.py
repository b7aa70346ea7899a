"""The question "may this user do that?" and who answers it: the seam at which RBAC replaces the coarse rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pilothouse.apiserver.auth.user import User


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


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, and why (the reason is shown to the user)."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that is allowed, in RBAC's terms: for SelfSubjectRulesReview."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


Auditor = Callable[[User, Attributes, int], None]
"""Told of every request: who, what, and the code of the answer."""


class Authorizer(Protocol):
    """Decides; must not wait for anything slow: it is asked for every request."""

    def revision(self) -> int:
        """Another number whenever a decision may be another than before."""
        ...

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        """Whether `user` may do what `attributes` describe."""

    def rules(self, user: User, namespace: str) -> list[Rule]:
        """Everything that the user may do in a namespace."""
        ...


def denial(user: User, attributes: Attributes) -> str:
    """What is forbidden, in upstream's words: the text after `is forbidden: `."""
    name = f'"{user.name}"'
    if attributes.path:
        return f'User {name} cannot {attributes.verb} path "{attributes.path}"'
    resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    scope = f'in the namespace "{attributes.namespace}"' if attributes.namespace else "at the cluster scope"
    return f'User {name} cannot {attributes.verb} resource "{resource}" in API group "{attributes.group}" {scope}'
