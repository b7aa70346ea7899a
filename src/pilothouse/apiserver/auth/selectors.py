"""The selectors in an access review: what is wrong with them, and which of them could not be read.

What cannot be read is left out of the question, which then asks for more; the answer says so in its evaluationError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilothouse.api.types.authorization_v1 import ResourceAttributes
from pilothouse.machinery import fields, labels, names
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import FieldSelectorRequirement, LabelSelectorRequirement
from pilothouse.machinery.problems import Problems

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
KINDS = ("fieldSelector", "labelSelector")


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
            read = _readable_fields(selector.requirements) if kind == "fieldSelector" else _readable_labels(selector.requirements)
            ignored, partly = read < len(selector.requirements), read > 0
        else:
            ignored, partly = not _is_readable(selector.rawSelector, kind), False
        if ignored:
            told.append(f"spec.resourceAttributes.{kind} {'partially ' if partly else ''}ignored due to parse error")
    return "; ".join(told)


def _readable_fields(requirements: Sequence[FieldSelectorRequirement]) -> int:
    """A field is compared with one value."""
    return sum(requirement.operator in ("In", "NotIn") and len(requirement.values) == 1 for requirement in requirements)


def _readable_labels(requirements: Sequence[LabelSelectorRequirement]) -> int:
    return sum(requirement.operator in OPERATORS for requirement in requirements)


def _is_readable(text: str, kind: str) -> bool:
    try:
        if kind == "fieldSelector":
            fields.parse(text)
        else:
            labels.parse(text)
    except (ValueError, StatusError):
        return False
    return True
