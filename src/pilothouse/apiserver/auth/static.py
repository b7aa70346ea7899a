"""Coarse rules, asked before the roles (rbac.py): what each kind of user may do, as one table.

- `system:masters` may do everything.
- Components may read everything and write what their controllers write; ServiceAccounts of kube-system likewise.
- Nodes and kube-proxy may read everything but Secrets of strangers (not told apart yet) and write nodes, pods' status, leases, events.
- Every other user may ask about himself and read the discovery documents; nobody known may ask for health and version.
"""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse.apiserver.auth.authorizer import Attributes, Decision, Rule
from pilothouse.apiserver.auth.user import AUTHENTICATED, MASTERS, NODES, SERVICE_ACCOUNTS, User

ANY = ("*",)
READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete", "deletecollection")

PUBLIC = (Rule(("get",), paths=("/healthz", "/livez", "/readyz", "/version", "/version/")),)
DISCOVERED = ("/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version")
DISCOVERY = (Rule(("get",), paths=(*DISCOVERED, *(f"{path}/*" for path in DISCOVERED))),)
ISSUER = ("/.well-known/openid-configuration", "/openid/v1/jwks")
ISSUER_DISCOVERY = (Rule(("get",), paths=(*ISSUER, *(f"{path}/" for path in ISSUER))),)
SELF = (
    Rule(("create",), ("authorization.k8s.io",), ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
    Rule(("create",), ("authentication.k8s.io",), ("selfsubjectreviews",)),
)
EVERYTHING = (Rule(ANY, ANY, ANY), Rule(ANY, paths=ANY))
COMPONENT = (Rule(ANY, ANY, ANY), Rule(READ, paths=ANY))
NODE = (
    Rule(READ, ANY, ANY),
    Rule(WRITE, ("",), ("nodes", "nodes/status", "pods", "pods/status", "events", "serviceaccounts/token")),
    Rule(WRITE, ("coordination.k8s.io",), ("leases",)),
    Rule(WRITE, ("events.k8s.io",), ("events",)),
    Rule(("create",), ("authentication.k8s.io", "authorization.k8s.io"), ("tokenreviews", "subjectaccessreviews")),
    Rule(("create", *READ), ("certificates.k8s.io",), ("certificatesigningrequests",)),
    Rule(WRITE, ("storage.k8s.io",), ("csinodes",)),
)
PROXY = (Rule(READ, ANY, ANY), Rule(WRITE, ("", "events.k8s.io"), ("events",)))

BY_NAME = {
    "system:kube-scheduler": COMPONENT,
    "system:kube-controller-manager": COMPONENT,
    "system:apiserver": EVERYTHING,
    "system:kube-proxy": PROXY,
}
BY_GROUP = {
    MASTERS: EVERYTHING,
    NODES: NODE,
    f"{SERVICE_ACCOUNTS}:kube-system": COMPONENT,
    SERVICE_ACCOUNTS: ISSUER_DISCOVERY,
    AUTHENTICATED: SELF + DISCOVERY,
}


@dataclass(frozen=True, slots=True)
class StaticAuthorizer:
    """The table above."""

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        """Allow what the table allows for the user's groups; everything for `system:masters`."""
        if MASTERS in user.groups or any(allows(rule, attributes) for rule in rules_of(user)):
            return ALLOWED
        return DENIED

    def revision(self) -> int:
        """Always 0: the table never changes."""
        return 0

    def rules(self, user: User, namespace: str) -> list[Rule]:
        """The rules of the table for this user; they hold in every namespace."""
        return list(rules_of(user))


class AlwaysAllow:
    """Everybody may do everything: kube-apiserver's --authorization-mode=AlwaysAllow."""

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        """Always allowed."""
        return ALLOWED

    def revision(self) -> int:
        """Never another decision."""
        return 0

    def rules(self, user: User, namespace: str) -> list[Rule]:
        """Everything."""
        return list(EVERYTHING)


ALLOWED = Decision(True)
DENIED = Decision(False)


def rules_of(user: User) -> tuple[Rule, ...]:
    """What the table gives to a user."""
    found = PUBLIC + BY_NAME.get(user.name, ())
    for group in user.groups:
        found += BY_GROUP.get(group, ())
    return found


def allows(rule: Rule, asked: Attributes) -> bool:
    """Whether one rule covers what is asked, as RBAC's rules do."""
    if not _covers(rule.verbs, asked.verb):
        return False
    if asked.path:
        return any(path in ("*", asked.path) or (path.endswith("*") and asked.path.startswith(path[:-1])) for path in rule.paths)
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    names = not rule.names or asked.name in rule.names
    return names and _covers(rule.groups, asked.group) and _covers(rule.resources, resource)


def _covers(allowed: tuple[str, ...], asked: str) -> bool:
    return "*" in allowed or asked in allowed
