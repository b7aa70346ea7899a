"""Whether rules cover rules, as upstream compares them (component-helpers, auth/rbac/validation): each of the parts that a rule breaks
down into must be covered by a single rule."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence

from pilothouse.api.types.rbac_v1 import PolicyRule

ALL = "*"


def missing_rules(owned: Sequence[PolicyRule], asked: Iterable[PolicyRule]) -> list[PolicyRule]:
    """The parts of the rules in `asked` that no rule of `owned` covers, in their order."""
    unknown = [rule for rule in asked if rule not in owned]  # a rule covers itself
    return [part for rule in unknown for part in broken_down(rule) if not any(_covers(owner, part) for owner in owned)]


def compact(rules: Iterable[PolicyRule]) -> list[PolicyRule]:
    """Parts that differ in nothing but their verb, as one rule each; those of paths stay as they are."""
    verbs: dict[tuple[str, ...], list[str]] = {}
    others = []
    for rule in rules:
        if rule.nonResourceURLs:
            others.append(rule)
        else:
            verbs.setdefault((*rule.apiGroups, *rule.resources, *rule.resourceNames), []).extend(rule.verbs or ())
    joined = [
        PolicyRule(verbs=key_verbs, apiGroups=[key[0]], resources=[key[1]], resourceNames=[*key[2:]]) for key, key_verbs in verbs.items()
    ]
    return [*others, *joined]


def broken_down(rule: PolicyRule) -> Iterator[PolicyRule]:
    """The same permissions in rules of one group, resource, verb and name, or of one path and verb."""
    verbs = rule.verbs or ()
    for group in rule.apiGroups:
        for resource in rule.resources:
            for verb in verbs:
                for name in rule.resourceNames or ("",):
                    names = [name] if rule.resourceNames else []
                    yield PolicyRule(verbs=[verb], apiGroups=[group], resources=[resource], resourceNames=names)
    for path in rule.nonResourceURLs:
        for verb in verbs:
            yield PolicyRule(verbs=[verb], nonResourceURLs=[path])


def _covers(owner: PolicyRule, part: PolicyRule) -> bool:
    """Whether a rule covers one of at most one verb, group, resource, name and path."""
    verbs = owner.verbs or ()
    if ALL not in verbs and not set(part.verbs or ()) <= set(verbs):
        return False
    if ALL not in owner.apiGroups and not set(part.apiGroups) <= set(owner.apiGroups):
        return False
    if owner.resourceNames and (not part.resourceNames or not set(part.resourceNames) <= set(owner.resourceNames)):
        return False
    if not all(covers_resource(owner.resources, resource, _subresource(resource)) for resource in part.resources):
        return False
    return all(any(covers_path(owned, path) for owned in owner.nonResourceURLs) for path in part.nonResourceURLs)


def covers_resource(owned: Container[str], resource: str, subresource: str | None) -> bool:
    """Whether the resources of a rule are for one, which is named with its subresource (`pods/log`); None: it names none."""
    return ALL in owned or resource in owned or (subresource is not None and f"*/{subresource}" in owned)


def _subresource(resource: str) -> str | None:
    _, slash, subresource = resource.partition("/")
    return subresource if slash else None


def covers_path(owned: str, path: str) -> bool:
    """Whether a path of a rule, which may end in a wildcard, is for a path."""
    return owned == path or (owned.endswith(ALL) and path.startswith(owned.rstrip(ALL)))
