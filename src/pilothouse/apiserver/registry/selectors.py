"""From a call's selectors to the selection that a cache evaluates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pilothouse.apiserver.cache.cache import Cache
from pilothouse.apiserver.cache.selection import Predicate, Selection, by_fields, by_labels, by_name
from pilothouse.apiserver.registry.request import Request
from pilothouse.client.call import Options
from pilothouse.machinery import fields, labels
from pilothouse.machinery.errors import bad_request
from pilothouse.machinery.resource import Resource

NAME, NAMESPACE = "metadata.name", "metadata.namespace"


def check_syntax(options: Options) -> None:
    """A StatusError 400 for a selector that cannot be read: that is told before other options are judged, what it selects by after them."""
    if options.label_selector:
        labels.parse(options.label_selector)
    if options.field_selector:
        fields.parse(options.field_selector)


def selection_of(request: Request, cache: Cache) -> Selection:
    """Selection of a list, watch or deletecollection. Raises StatusError 400 for an invalid selector."""
    options = request.options
    predicates: list[Predicate] = []
    key = ""
    namespace = request.namespace
    trigger = ("namespace", namespace) if namespace else None
    names = {request.name} - {""}
    if options.field_selector:
        fields_wanted = fields.parse(options.field_selector)
        if request.served.is_hub:  # upstream takes `=` for nothing here
            fields_wanted = replace(
                fields_wanted, requirements=tuple(each for each in fields_wanted.requirements if each.field or each.value)
            )
        getters = _getters(request.served, [requirement.field for requirement in fields_wanted.requirements])
        for wanted in fields_wanted.requirements:
            if wanted.operator == "=" and wanted.field == NAME:
                names.add(wanted.value)
            elif wanted.operator == "=" and request.served is cache.resource and cache.has_index(wanted.field):
                trigger = (wanted.field, wanted.value)
        if any(requirement.operator == "!=" or requirement.field != NAME for requirement in fields_wanted.requirements):
            predicates.append(by_fields(fields_wanted, request.served, getters))
    if len(names) > 1:
        predicates.append(lambda entry: False)  # nothing has two names
    for name in names:
        if namespace or not request.resource.namespaced:
            key = cache.key(namespace, name)
        else:
            predicates.append(by_name(name))
    if options.label_selector:
        labels_wanted = labels.parse(options.label_selector)
        if labels_wanted.requirements:
            predicates.append(by_labels(labels_wanted))
    return Selection(cache.scope(namespace), tuple(predicates), trigger, key)


def _getters(resource: Resource[Any], wanted: list[str]) -> dict[str, Callable[[Any], str]]:
    """The getters of the fields that a selector names; a StatusError in upstream's words for one that cannot be selected by.

    Kinds that can be selected by more than their names say the namespace only when they have one; the others always.
    """
    known: dict[str, Callable[[Any], str]] = {NAME: lambda obj: str(obj.metadata.name), **resource.selectable_fields}
    says_which = bool(resource.selectable_fields) or resource.is_hub
    if resource.namespaced or not says_which:
        known[NAMESPACE] = lambda obj: str(obj.metadata.namespace)
    for label in wanted:
        if label not in known and says_which:
            raise bad_request(resource.unknown_field.format(label))
        if label not in known:
            raise bad_request(f'"{label}" is not a known field selector: only "{NAME}", "{NAMESPACE}"')
    return known
