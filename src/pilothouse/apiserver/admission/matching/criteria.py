"""Whether a request matches a webhook or a policy, and the version of the object that it gets.

- A request that the selectors or the rules leave out is left out, also when one of the selectors cannot be judged.
- A namespace that is not there is an error (404) only for what the rules select.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.api.types.core_v1 import Namespace
from pilothouse.apiserver.admission.matching.rules import Rule, Target, matches
from pilothouse.apiserver.admission.matching.versions import Version, equivalents, requested
from pilothouse.apiserver.admission.plugin import CREATE, UPDATE, AdmissionRequest, World
from pilothouse.machinery import labels
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.errors import not_found
from pilothouse.machinery.labels import Selector
from pilothouse.machinery.meta_v1 import LabelSelector

EXACT, EQUIVALENT = "Exact", "Equivalent"


class MatchResources(Protocol):
    """The fields of that name that policies and their bindings have."""

    namespaceSelector: LabelSelector | None
    objectSelector: LabelSelector | None
    matchPolicy: str | None


@dataclass(frozen=True, slots=True)
class Criteria:
    """Rules without any `rules` select every request; webhooks without rules select none (`is_open` False)."""

    rules: Sequence[Rule] = ()
    excluded: Sequence[Rule] = ()
    match_policy: str = EQUIVALENT
    namespace_selector: Selector = labels.EVERYTHING
    object_selector: Selector = labels.EVERYTHING
    is_open: bool = False

    @property
    def looks_at_names(self) -> bool:
        """Whether a rule names objects: what it selects does not follow from the resource alone."""
        return any(getattr(rule, "resourceNames", None) for rule in (*self.rules, *self.excluded))


def of_webhook(webhook: Any) -> Criteria:
    """The criteria of a ValidatingWebhook or MutatingWebhook."""
    return Criteria(
        webhook.rules,
        match_policy=webhook.matchPolicy or EXACT,
        namespace_selector=_selector(webhook.namespaceSelector),
        object_selector=_selector(webhook.objectSelector),
    )


def of_resources(resources: Any) -> Criteria:
    """The criteria of MatchResources: a policy's matchConstraints, or a binding's matchResources."""
    return Criteria(
        resources.resourceRules,
        resources.excludeResourceRules,
        resources.matchPolicy or EXACT,
        _selector(resources.namespaceSelector),
        _selector(resources.objectSelector),
        is_open=not resources.resourceRules,
    )


def _selector(said: LabelSelector | None) -> Selector:
    return labels.EVERYTHING if said is None else labels.from_label_selector(said)


def target_of(request: AdmissionRequest, version: Version | None = None) -> Target:
    """What rules compare of a request, as made or as if made in another version."""
    resource = request.served if version is None else version.resource
    return Target(request.operation, resource, request.subresource, bool(request.namespace))


def selected(criteria: Criteria, request: AdmissionRequest, catalogue: Catalogue) -> Version | None:
    """The version in which the rules select the request; None when they do not."""
    if criteria.excluded and _by_rules(criteria.excluded, criteria.match_policy, request, catalogue) is not None:
        return None
    if criteria.is_open:
        return requested(request)
    return _by_rules(criteria.rules, criteria.match_policy, request, catalogue)


def _by_rules(rules: Sequence[Rule], match_policy: str, request: AdmissionRequest, catalogue: Catalogue) -> Version | None:
    target = target_of(request)
    if any(matches(rule, target) and _is_named(rule, request.name) for rule in rules):
        return requested(request)
    if match_policy != EQUIVALENT:
        return None
    others = [(version, target_of(request, version)) for version in equivalents(request, catalogue)]
    for rule in rules:
        for version, other in others:
            if matches(rule, other) and _is_named(rule, request.name):
                return version
    return None


def _is_named(rule: Rule, name: str) -> bool:
    wanted: list[str] | None = getattr(rule, "resourceNames", None)
    return not wanted or name in wanted


async def is_chosen(criteria: Criteria, request: AdmissionRequest, world: World) -> bool:
    """Whether the selectors choose a request that the rules select; StatusError 404 when its namespace is not there."""
    if not (criteria.object_selector.everything or _has_labels(criteria.object_selector, request)):
        return False
    return await _is_in_chosen_namespace(criteria.namespace_selector, request, world)


def _has_labels(selector: Selector, request: AdmissionRequest) -> bool:
    metas = (getattr(obj, "metadata", None) for obj in (request.object, request.old_object))
    return any(meta is not None and selector.matches(meta.labels) for meta in metas)


async def _is_in_chosen_namespace(selector: Selector, request: AdmissionRequest, world: World) -> bool:
    """A Namespace that is written is judged by the labels that it is to have; what is in no namespace is always chosen."""
    if selector.everything:
        return True
    is_namespace = request.resource.plural == "namespaces"
    if not request.namespace and not is_namespace:
        return True
    if is_namespace and not request.subresource and request.operation in (CREATE, UPDATE):
        return selector.matches(request.object.metadata.labels)
    namespace = await world.get(Namespace, request.namespace)
    if namespace is None:
        raise not_found("namespaces", "", request.namespace)
    return selector.matches(namespace.metadata.labels)


async def match(criteria: Criteria, request: AdmissionRequest, world: World) -> Version | None:
    """Version in which a webhook or policy gets the request; None when it does not match."""
    version = selected(criteria, request, world.catalogue)
    return version if version is not None and await is_chosen(criteria, request, world) else None
