"""The selectors in an access review: what is wrong with them, and which of them could not be read.

What cannot be read is left out of the question, which then asks for more; the answer says so in its evaluationError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pilothouse.api.types.authorization_v1 import ResourceAttributes
from pilothouse.machinery import fields, labels, names
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import FieldSelectorRequirement, LabelSelectorRequirement
from pilothouse.machinery.problems import Problems

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
KINDS = ("fieldSelector", "labelSelector")
SELECTING_VERBS = frozenset(("list", "watch", "deletecollection"))
"""Verbs whose selectors an authorizer is told."""


def validate_selectors(resource: ResourceAttributes, problems: Problems) -> None:
    """`problems` stands at the resource attributes. An operator that is not known may be one of a newer client's, and is no mistake."""
    for kind in KINDS:
        selector, here = getattr(resource, kind), problems.at(kind)
        if selector is None:
            continue
        if selector.rawSelector and selector.requirements:
            here.at("rawSelector").invalid(selector.rawSelector, "may not specified at the same time as requirements")
        if not selector.rawSelector and not selector.requirements:
            here.at("requirements").required(f"when spec.resourceAttributes.{kind} is specified, requirements or rawSelector is required")
        for index, requirement in enumerate(selector.requirements):
            _validate_requirement(requirement, kind, here.at("requirements", index))


def _validate_requirement(requirement: Any, kind: str, problems: Problems) -> None:
    if kind == "fieldSelector" and not requirement.key:
        problems.at("key").required("must be specified")
    if requirement.operator in ("In", "NotIn") and not requirement.values:
        problems.at("values").required("must be specified when `operator` is 'In' or 'NotIn'")
    elif requirement.operator in ("Exists", "DoesNotExist") and requirement.values:
        problems.at("values").forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    if kind == "labelSelector":
        for message in names.qualified_name(requirement.key):
            problems.at("key").invalid(requirement.key, message)
        for index, value in enumerate(requirement.values):
            for message in names.label_value(value):
                problems.at("values", index).invalid(value, message)


def evaluation_error(resource: ResourceAttributes) -> str:
    """Which selectors were ignored, in whole or in part; "" when all could be read."""
    told = []
    for kind in KINDS:
        selector = getattr(resource, kind)
        if selector is None:
            continue
        if selector.requirements:
            readable = readable_fields if kind == "fieldSelector" else readable_labels
            read = len(list(readable(selector.requirements)))
            ignored, partly = read < len(selector.requirements), read > 0
        else:
            ignored, partly = not _is_readable(selector.rawSelector, kind), False
        if ignored:
            told.append(f"spec.resourceAttributes.{kind} {'partially ' if partly else ''}ignored due to parse error")
    return "; ".join(told)


def readable_fields(requirements: Sequence[FieldSelectorRequirement]) -> Iterator[str]:
    """The requirements as the text of a field selector, but for those that it cannot say: a field is compared with one value."""
    for requirement in requirements:
        if requirement.operator in ("In", "NotIn") and len(requirement.values) == 1:
            yield str(fields.Requirement(requirement.key, "=" if requirement.operator == "In" else "!=", requirement.values[0]))


def readable_labels(requirements: Sequence[LabelSelectorRequirement]) -> Iterator[str]:
    """The requirements as the text of a label selector, but for those with an operator that is not known."""
    for requirement in requirements:
        match requirement.operator:
            case "In" | "NotIn":
                yield f"{requirement.key} {requirement.operator.lower()} ({','.join(sorted(requirement.values))})"
            case "Exists":
                yield requirement.key
            case "DoesNotExist":
                yield f"!{requirement.key}"


def selector_text(selector: Any, readable: Callable[[Any], Iterator[str]]) -> str:
    """A selector of a review as its text: as it was sent, or made of its requirements."""
    return "" if selector is None else selector.rawSelector or ",".join(readable(selector.requirements))


def selected_name(field_selector: str) -> str:
    """The one object that a list or a watch is narrowed to by its name: who may read just that, may ask so."""
    if not field_selector:
        return ""
    try:
        name = fields.parse(field_selector).exact("metadata.name") or ""
    except StatusError:  # whoever reads it says so
        return ""
    return "" if names.path_segment(name) else name


def _is_readable(text: str, kind: str) -> bool:
    try:
        if kind == "fieldSelector":
            fields.parse(text)
        else:
            labels.parse(text)
    except (ValueError, StatusError):
        return False
    return True
