"""Who makes a request: the result of authentication, and the names that Kubernetes itself gives to users and groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ANONYMOUS_USER = "system:anonymous"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
MASTERS = "system:masters"
NODES = "system:nodes"
NODE_PREFIX = "system:node:"
SERVICE_ACCOUNTS = "system:serviceaccounts"
SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
"""The extra key that tells which of a user's credentials was shown."""


@dataclass(frozen=True, slots=True)
class User:
    """A name, and what rules may hang on: groups, and extra keys that an authenticator added."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ANONYMOUS = User(ANONYMOUS_USER, groups=(UNAUTHENTICATED,))
APISERVER = User("system:apiserver", groups=(MASTERS, AUTHENTICATED))
"""Who the API server itself is when it calls itself, as upstream's loopback client."""
ADMIN = User("kubernetes-admin", groups=(MASTERS, AUTHENTICATED))
"""Who the in-process parts of a cluster act as where no narrower identity is given."""


def service_account_groups(namespace: str) -> tuple[str, ...]:
    """The groups of every ServiceAccount of a namespace."""
    return (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)


def with_authenticated(user: User) -> User:
    """The user with the group of all who are authenticated, unless the name or a group says something of that already."""
    if user.name == ANONYMOUS_USER or AUTHENTICATED in user.groups or UNAUTHENTICATED in user.groups:
        return user
    return User(user.name, user.uid, (*user.groups, AUTHENTICATED), user.extra)
