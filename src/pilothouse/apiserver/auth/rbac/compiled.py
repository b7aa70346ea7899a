"""Rules of one role, made ready to be asked: what a request names is looked up, only rules with wildcards are gone through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from pilothouse.api.types.rbac_v1 import PolicyRule
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.rbac.covers import ALL, covers_path, covers_resource

Names = frozenset[str] | None
"""The objects that a rule is for; None for all."""


@dataclass(frozen=True, slots=True)
class _Wild:
    """A rule for resources with a wildcard somewhere."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: Names

    def allows(self, asked: Attributes, resource: str) -> bool:
        if self.names is not None and asked.name not in self.names:
            return False
        if asked.verb not in self.verbs and ALL not in self.verbs:
            return False
        if asked.group not in self.groups and ALL not in self.groups:
            return False
        return covers_resource(self.resources, resource, asked.subresource or None)


class CompiledRules:
    """What the rules of a role allow, as upstream's RuleAllows reads them."""

    __slots__ = ("_exact", "_paths", "_wild")

    def __init__(self, rules: Iterable[PolicyRule]) -> None:
        self._exact: dict[tuple[str, str, str], Names] = {}
        self._wild: list[_Wild] = []
        self._paths: list[tuple[frozenset[str], tuple[str, ...]]] = []
        for rule in rules:
            if rule.nonResourceURLs:
                self._paths.append((frozenset(rule.verbs or ()), tuple(rule.nonResourceURLs)))
            if rule.resources:
                self._add(rule)

    @property
    def has_resources(self) -> bool:
        """Whether any rule is for resources."""
        return bool(self._exact or self._wild)

    @property
    def has_paths(self) -> bool:
        """Whether any rule is for paths."""
        return bool(self._paths)

    def _add(self, rule: PolicyRule) -> None:
        verbs, names = rule.verbs or (), frozenset(rule.resourceNames) if rule.resourceNames else None
        if any(ALL in each for each in (verbs, rule.apiGroups)) or any(each.startswith(ALL) for each in rule.resources):
            self._wild.append(_Wild(frozenset(verbs), frozenset(rule.apiGroups), frozenset(rule.resources), names))
            return
        for key in product(verbs, rule.apiGroups, rule.resources):
            known = self._exact.get(key, frozenset())
            self._exact[key] = None if names is None or known is None else known | names

    def allows(self, asked: Attributes, resource: str) -> bool:
        """Whether a request is allowed; `resource` is what it names, with its subresource."""
        if asked.path:
            return any(
                (asked.verb in verbs or ALL in verbs) and any(covers_path(path, asked.path) for path in paths)
                for verbs, paths in self._paths
            )
        names = self._exact.get((asked.verb, asked.group, resource), frozenset())
        if names is None or asked.name in names:
            return True
        return any(rule.allows(asked, resource) for rule in self._wild)
