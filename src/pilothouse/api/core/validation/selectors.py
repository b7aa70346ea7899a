"""Rules of label selectors and node selectors."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.core_v1 import NodeSelector, NodeSelectorRequirement, NodeSelectorTerm
from pilothouse.machinery import names
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.metadata import validate_labels
from pilothouse.machinery.problems import Problems

UNKNOWN_OPERATOR = "not a valid selector operator"
VALUES_NEEDED = "must be specified when `operator` is 'In' or 'NotIn'"
VALUES_FORBIDDEN = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"


def validate_label_selector(selector: LabelSelector | None, problems: Problems) -> None:
    """Keys, operators and values of a label selector. Upstream: unversionedvalidation.ValidateLabelSelector."""
    if selector is None:
        return
    validate_labels(selector.matchLabels, problems.at("matchLabels"))
    for index, expression in enumerate(selector.matchExpressions):
        here = problems.at("matchExpressions", index)
        if expression.operator in ("In", "NotIn"):
            if not expression.values:
                here.at("values").required(VALUES_NEEDED)
        elif expression.operator in ("Exists", "DoesNotExist"):
            if expression.values:
                here.at("values").forbidden(VALUES_FORBIDDEN)
        else:
            here.at("operator").invalid(expression.operator, UNKNOWN_OPERATOR)
        report(names.qualified_name(expression.key), expression.key, here, "key")
        for position, value in enumerate(expression.values):
            report(names.label_value(value), value, here, "values", position)


def is_valid(selector: LabelSelector) -> bool:
    """Whether a selector can be matched against labels at all."""
    problems = Problems()
    validate_label_selector(selector, problems)
    return not problems


def is_empty(selector: LabelSelector) -> bool:
    """Whether the selector has no requirement and so matches everything."""
    return not selector.matchLabels and not selector.matchExpressions


def validate_node_selector(selector: NodeSelector, problems: Problems) -> None:
    """Terms of a node selector: at least one. Upstream: ValidateNodeSelector."""
    terms = problems.at("nodeSelectorTerms")
    if not selector.nodeSelectorTerms:
        terms.required("must have at least one node selector term")
    for index, term in enumerate(selector.nodeSelectorTerms or ()):
        validate_node_selector_term(term, terms.at(index))


def validate_node_selector_term(term: NodeSelectorTerm, problems: Problems, values: bool = True) -> None:
    """`values` false: what is only preferred may name values that no label can have."""
    for index, expression in enumerate(term.matchExpressions):
        _validate_requirement(expression, problems.at("matchExpressions", index), values)
    for index, expression in enumerate(term.matchFields):
        _validate_field(expression, problems.at("matchFields", index))


def _validate_requirement(requirement: NodeSelectorRequirement, problems: Problems, values: bool) -> None:
    if requirement.operator in ("In", "NotIn"):
        if not requirement.values:
            problems.at("values").required(VALUES_NEEDED)
    elif requirement.operator in ("Exists", "DoesNotExist"):
        if requirement.values:
            problems.at("values").forbidden(VALUES_FORBIDDEN)
    elif requirement.operator in ("Gt", "Lt"):
        if len(requirement.values) != 1:
            problems.at("values").required("must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        problems.at("operator").invalid(requirement.operator, UNKNOWN_OPERATOR)
    report(names.qualified_name(requirement.key), requirement.key, problems, "key")
    for index, value in enumerate(requirement.values if values else ()):
        report(names.label_value(value), value, problems, "values", index)


def _validate_field(requirement: NodeSelectorRequirement, problems: Problems) -> None:
    if requirement.operator not in ("In", "NotIn"):
        problems.at("operator").invalid(requirement.operator, UNKNOWN_OPERATOR)
    elif len(requirement.values) != 1:
        problems.at("values").required("must be only one value when `operator` is 'In' or 'NotIn' for node field selector")
    if requirement.key != "metadata.name":
        problems.at("key").invalid(requirement.key, "not a valid field selector key")
        return
    for index, value in enumerate(requirement.values):
        report(names.dns_subdomain(value), value, problems, "values", index)
