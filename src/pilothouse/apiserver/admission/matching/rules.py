"""Rules of webhooks and policies: operations, groups, versions, resources (`pods`, `pods/status`, `*/scale`, `pods/*`, `*/*`), scope.

`*` as a resource means resources without their subresources. Upstream: predicates/rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.machinery.resource import Resource

ANY = "*"
NAMESPACES = ("", "v1", "namespaces")
GROUP = "admissionregistration.k8s.io"
POLICY_KINDS = frozenset(
    {
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
)
"""Of GROUP: what policies are not asked about."""
EXEMPT_KINDS = POLICY_KINDS | {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"}
"""Of GROUP: what webhooks are not asked about. Nothing that is configured may keep its own configuration from being mended."""


class Rule(Protocol):
    """The fields that RuleWithOperations and NamedRuleWithOperations share."""

    operations: list[str]
    apiGroups: list[str]
    apiVersions: list[str]
    resources: list[str]
    scope: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """What a rule compares of a request. `is_in_namespace` also holds for a Namespace, whose request carries its own name."""

    operation: str
    resource: Resource[Any]
    subresource: str
    is_in_namespace: bool


def is_exempt(kind: tuple[str, str, str], kinds: frozenset[str] = EXEMPT_KINDS) -> bool:
    """Whether requests of a kind are never shown to those who exempt these kinds of GROUP."""
    return kind[0] == GROUP and kind[2] in kinds


def matches(rule: Rule, target: Target) -> bool:
    """Whether the rule selects the target."""
    resource = target.resource
    return (
        _is_any_of(rule.operations, target.operation)
        and _is_any_of(rule.apiGroups, resource.group)
        and _is_any_of(rule.apiVersions, resource.version)
        and any(_names(pattern, resource.plural, target.subresource) for pattern in rule.resources)
        and _is_in_scope(rule.scope, target)
    )


def _is_any_of(items: Iterable[str], wanted: str) -> bool:
    return any(item in (ANY, wanted) for item in items)


def _names(pattern: str, plural: str, subresource: str) -> bool:
    resource, _, sub = pattern.partition("/")
    return resource in (ANY, plural) and sub in (ANY, subresource)


def _is_in_scope(scope: str | None, target: Target) -> bool:
    """Namespaces are cluster-scoped, whatever namespace their requests are in."""
    if scope in (None, ANY):
        return True
    resource = target.resource
    is_namespace = (resource.group, resource.version, resource.plural) == NAMESPACES
    is_namespaced = target.is_in_namespace and not is_namespace
    return scope == ("Namespaced" if is_namespaced else "Cluster")
