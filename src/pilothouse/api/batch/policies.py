"""Validation of podFailurePolicy and successPolicy of a Job.

The words are upstream's (pkg/apis/batch/validation). How the controller reads them lies in controllers/jobs.
"""

from __future__ import annotations

from pilothouse.api.core.validation.fields import nonnegative, report
from pilothouse.api.types.batch_v1 import (
    JobSpec,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
    SuccessPolicyRule,
)
from pilothouse.machinery import names, strconv
from pilothouse.machinery.problems import Problems

MOST_RULES, MOST_VALUES, MOST_PATTERNS = 20, 255, 20
LONGEST_INDEXES = 64 * 1024
ACTIONS, OPERATORS, STATUSES = ("Count", "FailIndex", "FailJob", "Ignore"), ("In", "NotIn"), ("False", "True", "Unknown")


def validate_failure_policy(spec: JobSpec, problems: Problems) -> None:
    """Rules of podFailurePolicy: at most 20 rules, known containers, exit codes or conditions. Upstream: validatePodFailurePolicy."""
    rules = (spec.podFailurePolicy.rules or []) if spec.podFailurePolicy else []
    if len(rules) > MOST_RULES:
        problems.too_many(len(rules), MOST_RULES)
    containers = {container.name for container in (*spec.template.spec.initContainers, *spec.template.spec.containers)}
    for index, rule in enumerate(rules):
        _validate_rule(rule, spec, containers, problems.at(index))


def _validate_rule(rule: PodFailurePolicyRule, spec: JobSpec, containers: set[str], problems: Problems) -> None:
    _word(rule.action, ACTIONS, problems.at("action"))
    if rule.action == "FailIndex" and spec.backoffLimitPerIndex is None:
        problems.at("action").invalid(rule.action, "requires the backoffLimitPerIndex to be set")
    if rule.onExitCodes is not None:
        _validate_exit_codes(rule.onExitCodes, containers, problems.at("onExitCodes"))
    if rule.onPodConditions:
        _validate_conditions(rule.onPodConditions, problems.at("onPodConditions"))
    if rule.onExitCodes is not None and rule.onPodConditions:
        problems.wrong("specifying both OnExitCodes and OnPodConditions is not supported")
    if rule.onExitCodes is None and not rule.onPodConditions:
        problems.wrong("specifying one of OnExitCodes and OnPodConditions is required")


def _word(value: str, known: tuple[str, ...], problems: Problems) -> None:
    """One of a set; where there is none, upstream prints the set in Go's manner."""
    if not value:
        problems.required("valid values: [" + " ".join(f'"{value}"' for value in known) + "]")
    elif value not in known:
        problems.not_supported(value, known)


def _validate_exit_codes(codes: PodFailurePolicyOnExitCodesRequirement, containers: set[str], problems: Problems) -> None:
    _word(codes.operator, OPERATORS, problems.at("operator"))
    if codes.containerName and codes.containerName not in containers:
        message = "must be one of the container or initContainer names in the pod template"
        problems.at("containerName").invalid(codes.containerName, message)
    values, here = codes.values or [], problems.at("values")
    if not values:
        here.invalid(values or None, "at least one value is required")
    elif len(values) > MOST_VALUES:
        here.too_many(len(values), MOST_VALUES)
    seen: set[int] = set()
    for index, value in enumerate(values):
        if codes.operator == "In" and value == 0:
            here.at(index).invalid(value, "must not be 0 for the In operator")
        if value in seen:
            here.at(index).duplicate(value)
        seen.add(value)
    if values != sorted(values):
        here.invalid(values, "must be ordered")


def _validate_conditions(patterns: list[PodFailurePolicyOnPodConditionsPattern], problems: Problems) -> None:
    if len(patterns) > MOST_PATTERNS:
        problems.too_many(len(patterns), MOST_PATTERNS)
    for index, pattern in enumerate(patterns):
        report(names.qualified_name(pattern.type), pattern.type, problems, index, "type")
        _word(pattern.status, STATUSES, problems.at(index, "status"))


def validate_success_policy(spec: JobSpec, problems: Problems) -> None:
    """Rules of successPolicy: 1 to 20 rules with indexes within `completions`. Upstream: validateSuccessPolicy."""
    if spec.successPolicy is None:
        return
    rules = spec.successPolicy.rules or []
    if not rules:
        problems.required("at least one rules must be specified when the successPolicy is specified")
    if len(rules) > MOST_RULES:
        problems.too_many(len(rules), MOST_RULES)
    for index, rule in enumerate(rules):
        _validate_success_rule(rule, spec.completions, problems.at(index))


def _validate_success_rule(rule: SuccessPolicyRule, completions: int | None, problems: Problems) -> None:
    if rule.succeededCount is None and rule.succeededIndexes is None:
        problems.required("at least one of succeededCount or succeededIndexes must be specified")
    total = 0
    if rule.succeededIndexes is not None:
        here = problems.at("succeededIndexes")
        if len(rule.succeededIndexes) > LONGEST_INDEXES:
            here.too_long(LONGEST_INDEXES)
        total, wrong = count_of_indexes(rule.succeededIndexes, completions or 0) if rule.succeededIndexes else (0, "")
        if wrong:
            here.invalid(rule.succeededIndexes, f"error parsing succeededIndexes: {wrong}")
    if rule.succeededCount is not None:
        nonnegative(rule.succeededCount, problems, "succeededCount")
        here = problems.at("succeededCount")
        if completions is not None and rule.succeededCount > completions:
            here.invalid(rule.succeededCount, f"must be less than or equal to {completions} (the number of specified completions)")
        if rule.succeededIndexes is not None and rule.succeededCount > total:
            message = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            here.invalid(rule.succeededCount, message)


def count_of_indexes(text: str, completions: int) -> tuple[int, str]:
    """Number of indexes in `1,3-5`, or the error: they must increase, and be below the completions."""
    total, before = 0, -1
    for part in text.split(","):
        wrong = _wrong_with_interval(part, completions)
        if wrong:
            return 0, wrong
        bounds = [strconv.atoi(bound) for bound in part.split("-")]
        if bounds[0] <= before:
            return 0, f"non-increasing order, previous: {before}, current: {bounds[0]}"
        total, before = total + bounds[-1] - bounds[0] + 1, bounds[-1]
    return total, ""


def _wrong_with_interval(part: str, completions: int) -> str:
    bounds = part.split("-")
    if len(bounds) > 2:
        return f"the fragment \"{part}\" violates the requirement that an index interval can have at most two parts separated by '-'"
    for bound in bounds:
        index = strconv.integer(bound)
        if index is None:
            return f'cannot convert string to integer for index: "{bound}"'
        if index >= completions:
            return f'too large index: "{bound}"'
    if len(bounds) == 2 and strconv.atoi(bounds[0]) >= strconv.atoi(bounds[1]):
        return f"non-increasing order, previous: {bounds[0]}, current: {bounds[1]}"
    return ""
