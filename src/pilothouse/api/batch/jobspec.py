"""Rules and defaults of a JobSpec, in a Job and in a CronJob's template."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.core.validation.fields import INT32, nonnegative, one_of, optional_one_of
from pilothouse.api.core.validation.podspec import validate_pod_template
from pilothouse.api.core.warnings.podspec import of_template
from pilothouse.api.types.batch_v1 import JobSpec
from pilothouse.machinery.problems import Problems

MAXIMUM_PARALLELISM = 100_000
RESTARTS = ("OnFailure", "Never")
COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex",
    "maxFailedIndexes",
)  # fmt: skip
UNLIMITED = INT32
MANY_COMPLETIONS, MANY_AT_ONCE = 100_000, 10_000
HARD_TO_TRACK = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to "
    "track completedIndexes when a big number of indexes fail"
)


def validate_job_spec(spec: JobSpec, problems: Problems) -> None:
    for field in COUNTS:
        nonnegative(getattr(spec, field), problems, field)
    _validate_indexes(spec, problems)
    optional_one_of(spec.podReplacementPolicy, ("Failed", "TerminatingOrFailed"), problems, "podReplacementPolicy")
    if spec.podFailurePolicy is not None and spec.podReplacementPolicy == "TerminatingOrFailed":
        problems.at("podReplacementPolicy").not_supported(spec.podReplacementPolicy, ("Failed",))
    _validate_failure_policy(spec, problems.at("podFailurePolicy", "rules"))
    template = problems.at("template")
    validate_pod_template(spec.template, template)
    _validate_restarts(spec, template.at("spec", "restartPolicy"))


def _validate_indexes(spec: JobSpec, problems: Problems) -> None:
    one_of(spec.completionMode or "NonIndexed", ("Indexed", "NonIndexed"), problems, "completionMode")
    if spec.completionMode == "Indexed":
        if spec.completions is None:
            problems.at("completions").required("when completion mode is Indexed")
        if (spec.parallelism or 0) > MAXIMUM_PARALLELISM:
            message = f"must be less than or equal to {MAXIMUM_PARALLELISM} when completion mode is Indexed"
            problems.at("parallelism").invalid(spec.parallelism, message)
        return
    if spec.backoffLimitPerIndex is not None:
        problems.at("backoffLimitPerIndex").invalid(spec.backoffLimitPerIndex, "requires indexed completion mode")
    if spec.maxFailedIndexes is not None and spec.backoffLimitPerIndex is None:
        problems.at("backoffLimitPerIndex").required("when maxFailedIndexes is specified")
    if spec.successPolicy is not None:
        problems.at("successPolicy").invalid(spec.successPolicy, "requires indexed completion mode")


def _validate_failure_policy(spec: JobSpec, problems: Problems) -> None:
    known = {one.name for one in (*spec.template.spec.containers, *spec.template.spec.initContainers)}
    for index, rule in enumerate(spec.podFailurePolicy.rules if spec.podFailurePolicy else ()):
        here = problems.at(index)
        one_of(rule.action, ("Count", "FailIndex", "FailJob", "Ignore"), here, "action")
        if rule.onExitCodes is None and not rule.onPodConditions:
            here.invalid(rule, "specifying one of OnExitCodes and OnPodConditions is required")
        if rule.onExitCodes is not None and rule.onPodConditions:
            here.invalid(rule, "specifying both OnExitCodes and OnPodConditions is not supported")
        codes = rule.onExitCodes
        if codes is None:
            continue
        one_of(codes.operator, ("In", "NotIn"), here, "onExitCodes", "operator")
        if codes.containerName and codes.containerName not in known:
            message = "must be one of the container or initContainer names in the pod template"
            here.at("onExitCodes", "containerName").invalid(codes.containerName, message)
        if not codes.values:
            here.at("onExitCodes", "values").invalid(codes.values, "at least one value is required")
        if codes.operator == "In" and 0 in codes.values:
            here.at("onExitCodes", "values", codes.values.index(0)).invalid(0, "must not be 0 for the In operator")


def _validate_restarts(spec: JobSpec, problems: Problems) -> None:
    policy = spec.template.spec.restartPolicy
    if policy in ("", "Always"):
        problems.required('valid values: "OnFailure", "Never"')
    elif policy not in RESTARTS:
        problems.not_supported(policy, RESTARTS)
    elif spec.podFailurePolicy is not None and policy != "Never":
        problems.invalid(policy, 'only "Never" is supported when podFailurePolicy is specified')


def of_job_spec(spec: JobSpec, *path: str) -> Iterator[str]:
    """What is odd about a JobSpec, in a Job and in a CronJob's template."""
    indexed = spec.completionMode == "Indexed"
    if indexed and (spec.completions or 0) > MANY_COMPLETIONS and (spec.parallelism or 0) > MANY_AT_ONCE:
        yield f"{'.'.join(path)}: {HARD_TO_TRACK}"
    yield from of_template(spec.template, *path, "template")
