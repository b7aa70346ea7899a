"""Rules of metav1.Condition, as every status that holds some is asked."""

from __future__ import annotations

import re

from pilothouse.api.core.validation.fields import report
from pilothouse.machinery import names
from pilothouse.machinery.meta_v1 import Condition
from pilothouse.machinery.problems import Problems

STATUSES = ("False", "True", "Unknown")
LONGEST_REASON, LONGEST_MESSAGE = 1024, 32 * 1024
REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
REASON_RULE = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', "
    "and must end with an alphanumeric character or '_'"
)


def validate_conditions(conditions: list[Condition], problems: Problems) -> None:
    """Rules of conditions: one of each type, with status, reason and time. Upstream: metav1validation.ValidateConditions."""
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        here = problems.at(index)
        if condition.type in seen:
            here.duplicate(condition.type)
        seen.add(condition.type)
        _validate_condition(condition, here)


def _validate_condition(condition: Condition, problems: Problems) -> None:
    if condition.type:
        report(names.qualified_name(condition.type), condition.type, problems, "type")
    else:
        problems.at("type").required("is required")
    if not condition.status:
        problems.at("status").required()
    elif condition.status not in STATUSES:
        problems.at("status").not_supported(condition.status, STATUSES)
    if (condition.observedGeneration or 0) < 0:
        problems.at("observedGeneration").invalid(condition.observedGeneration, "must be greater than or equal to zero")
    if not condition.lastTransitionTime:
        problems.at("lastTransitionTime").required()
    _validate_texts(condition, problems)


def _validate_texts(condition: Condition, problems: Problems) -> None:
    here = problems.at("reason")
    if not condition.reason:
        here.required()
    else:
        if not re.fullmatch(REASON, condition.reason):
            examples = ("my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB")
            here.invalid(condition.reason, names.mismatch(REASON_RULE, REASON, *examples))
        if len(condition.reason) > LONGEST_REASON:
            here.too_long(LONGEST_REASON)
    if len(condition.message) > LONGEST_MESSAGE:
        problems.at("message").too_long(LONGEST_MESSAGE)
