"""RBAC escalation check: the writer of a role or binding must have its permissions (upstream's pkg/registry/rbac/*/policybased).

- Asked after mutating admission and before validation, of every create, update, patch and apply of the four kinds.
- Who may `escalate` the role, or `bind` the role that a binding names, need not hold its rules. Members of `system:masters` need nothing.
- Who writes an aggregation rule must be able to do everything, for it gathers whatever comes.
- What changes owners and finalizers alone is nothing to RBAC: so the garbage collector works.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pilothouse.api.types.rbac_v1 import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding
from pilothouse.apiserver.auth.authorizer import EVERYTHING, Attributes, Authorizer
from pilothouse.apiserver.auth.rbac.covers import compact, missing_rules
from pilothouse.apiserver.auth.user import MASTERS
from pilothouse.apiserver.registry.request import Request
from pilothouse.machinery.errors import bad_request, failure, forbidden, not_found
from pilothouse.machinery.quoting import go_quoted

GROUP = ClusterRole.GVK[0]
PLURALS = {"ClusterRole": "clusterroles", "Role": "roles"}
WHOLE = "must have cluster-admin privileges to use the aggregationRule"


def check(authorizer: Authorizer | None, request: Request, new: Any, old: Any, name: str) -> None:
    """Raise StatusError when `new` grants what its writer does not have. `old` is None for a new object; `name` is the name in the path."""
    if authorizer is None or MASTERS in request.user.groups:
        return
    if isinstance(new, (ClusterRole, Role)):
        _check_role(authorizer, request, new, old, name)
    elif isinstance(new, (ClusterRoleBinding, RoleBinding)):
        _check_binding(authorizer, request, new, old)


def _check_role(authorizer: Authorizer, request: Request, new: ClusterRole | Role, old: Any, name: str) -> None:
    resource = request.resource
    escalates = Attributes("escalate", resource.group, "*", resource.plural, "", request.namespace, name)
    if authorizer.authorize(request.user, escalates).allowed or _is_for_collector(new, old):
        return
    problem = _missing(authorizer, request, new.rules or ())
    if not problem and (_aggregates(new) or _aggregates(old)) and _missing(authorizer, request, EVERYTHING):
        problem = WHOLE
    if problem:
        raise forbidden(resource.plural, resource.group, new.metadata.name, problem)


def _check_binding(authorizer: Authorizer, request: Request, new: ClusterRoleBinding | RoleBinding, old: Any) -> None:
    ref, user, namespace = new.roleRef, request.user, request.namespace
    if _is_for_collector(new, old):
        return
    plural = PLURALS.get(ref.kind, "")
    if plural and authorizer.authorize(user, Attributes("bind", ref.apiGroup, "*", plural, "", namespace, ref.name)).allowed:
        return
    if not plural:
        raise failure(500, "", f"unsupported role reference kind: {go_quoted(ref.kind)}")
    if ref.kind == "Role" and not namespace:
        raise bad_request("Namespace parameter required.")
    if not ref.name:
        raise bad_request("Name parameter required.")
    rules = authorizer.role_rules(ref, namespace)
    if rules is None:
        raise not_found(request.resource.plural, GROUP, ref.name)  # upstream's store names what is asked for, whatever it looks up
    problem = _missing(authorizer, request, rules)
    if problem:
        raise forbidden(request.resource.plural, request.resource.group, new.metadata.name, problem)


def _missing(authorizer: Authorizer, request: Request, rules: Sequence[PolicyRule]) -> str:
    """Which of the rules the user does not hold himself, in upstream's words; "" when he holds them all."""
    user = request.user
    owned, error = authorizer.rules(user, request.namespace, request.resource.plural)
    missing = compact(missing_rules(owned, rules))
    if not missing:
        return ""
    groups = " ".join(map(go_quoted, user.groups))
    told = "\n".join(sorted({_told(rule) for rule in missing}))
    text = f"user {go_quoted(user.name)} (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n{told}"
    return f"{text}; resolution errors: [{error}]" if error else text


def _told(rule: PolicyRule) -> str:
    parts = {
        "APIGroups": rule.apiGroups,
        "Resources": rule.resources,
        "NonResourceURLs": rule.nonResourceURLs,
        "ResourceNames": rule.resourceNames,
        "Verbs": rule.verbs,
    }
    return "{" + ", ".join(f"{name}:[{' '.join(map(go_quoted, values))}]" for name, values in parts.items() if values) + "}"


def _aggregates(role: Any) -> bool:
    rule = getattr(role, "aggregationRule", None)
    return rule is not None and bool(rule.clusterRoleSelectors)


def _is_for_collector(new: Any, old: Any) -> bool:
    """Whether only what the garbage collector writes is changed."""
    if old is None:
        return False
    kept = old.metadata
    metadata = msgspec.structs.replace(
        new.metadata,
        ownerReferences=kept.ownerReferences,
        finalizers=kept.finalizers,
        selfLink=kept.selfLink,
        managedFields=kept.managedFields,
    )
    return bool(msgspec.structs.replace(new, metadata=metadata) == old)
