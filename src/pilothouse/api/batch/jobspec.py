"""Rules and defaults of a JobSpec, in a Job and in a CronJob's template."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.batch.policies import validate_failure_policy, validate_success_policy
from pilothouse.api.core.validation.fields import INT32, nonnegative, optional_one_of, validate_prefixed_path
from pilothouse.api.core.validation.podspec import validate_pod_template
from pilothouse.api.core.warnings.podspec import of_template
from pilothouse.api.internal import internal
from pilothouse.api.types.batch_v1 import JobSpec
from pilothouse.machinery.problems import Problems

MAXIMUM_PARALLELISM = 100_000
INDEXED_ONLY = "requires indexed completion mode"
RESTARTS = ("OnFailure", "Never")
COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex",
    "maxFailedIndexes",
)  # fmt: skip
UNLIMITED = INT32
MANY_COMPLETIONS, MANY_AT_ONCE = 100_000, 10_000
LONGEST_MANAGER = 63
HARD_TO_TRACK = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to "
    "track completedIndexes when a big number of indexes fail"
)


def validate_job_spec(spec: JobSpec, problems: Problems) -> None:
    """Rules of a JobSpec that need no selector. Upstream: validateJobSpec."""
    for field in COUNTS:
        nonnegative(getattr(spec, field), problems, field)
    if spec.maxFailedIndexes is not None and spec.backoffLimitPerIndex is None:
        problems.at("backoffLimitPerIndex").required("when maxFailedIndexes is specified")
    if spec.managedBy is not None:
        here = problems.at("managedBy")
        validate_prefixed_path(spec.managedBy, here)
        if len(spec.managedBy) > LONGEST_MANAGER:
            here.too_long(LONGEST_MANAGER)
    optional_one_of(spec.completionMode, ("NonIndexed", "Indexed"), problems, "completionMode")
    if spec.completionMode == "Indexed":
        _validate_indexes(spec, problems)
    else:
        for field in ("backoffLimitPerIndex", "maxFailedIndexes") if (spec.completionMode or "NonIndexed") == "NonIndexed" else ():
            value = getattr(spec, field)
            if value is not None:
                problems.at(field).invalid(value, INDEXED_ONLY)
    validate_failure_policy(spec, problems.at("podFailurePolicy", "rules"))
    if spec.successPolicy is not None and spec.completionMode != "Indexed":
        problems.at("successPolicy").invalid(internal(spec.successPolicy, "batch.SuccessPolicy"), INDEXED_ONLY)
    else:
        validate_success_policy(spec, problems.at("successPolicy", "rules"))
    _validate_replacement(spec, problems.at("podReplacementPolicy"))
    template = problems.at("template")
    validate_pod_template(spec.template, template)
    _validate_restarts(spec, template.at("spec", "restartPolicy"))


def _validate_indexes(spec: JobSpec, problems: Problems) -> None:
    """An indexed Job counts to an end, and not too far: its status lists the indexes."""
    if spec.completions is None:
        problems.at("completions").required("when completion mode is Indexed")
    if (spec.parallelism or 0) > MAXIMUM_PARALLELISM:
        message = f"must be less than or equal to {MAXIMUM_PARALLELISM} when completion mode is Indexed"
        problems.at("parallelism").invalid(spec.parallelism, message)
    most, limit = spec.maxFailedIndexes, problems.at("maxFailedIndexes")
    if most is not None and spec.completions is not None and most > spec.completions:
        limit.invalid(most, "must be less than or equal to completions")
    if most is not None and most > MANY_COMPLETIONS:
        limit.invalid(most, f"must be less than or equal to {MANY_COMPLETIONS}")
    if (spec.completions or 0) > MANY_COMPLETIONS and spec.backoffLimitPerIndex is not None:
        message = f"must be less than or equal to {MANY_AT_ONCE} when completions are above {MANY_COMPLETIONS} and used with "
        message += "backoff limit per index"
        if most is None:
            limit.required(f"must be specified when completions is above {MANY_COMPLETIONS}")
        if (spec.parallelism or 0) > MANY_AT_ONCE:
            problems.at("parallelism").invalid(spec.parallelism, message)
        if most is not None and most > MANY_AT_ONCE:
            limit.invalid(most, message)


def _validate_replacement(spec: JobSpec, problems: Problems) -> None:
    policies = ("Failed", "TerminatingOrFailed") if spec.podFailurePolicy is None else ("Failed",)
    optional_one_of(spec.podReplacementPolicy, policies, problems)


def _validate_restarts(spec: JobSpec, problems: Problems) -> None:
    policy = spec.template.spec.restartPolicy
    if policy in ("", "Always"):
        problems.required('valid values: "OnFailure", "Never"')
    elif policy not in RESTARTS:
        problems.not_supported(policy, RESTARTS)
    elif spec.podFailurePolicy is not None and policy != "Never":
        problems.invalid(policy, 'only "Never" is supported when podFailurePolicy is specified')


def of_job_spec(spec: JobSpec, *path: str) -> Iterator[str]:
    """Warnings about a JobSpec, in a Job or in a CronJob's template."""
    indexed = spec.completionMode == "Indexed"
    if indexed and (spec.completions or 0) > MANY_COMPLETIONS and (spec.parallelism or 0) > MANY_AT_ONCE:
        yield f"{'.'.join(path)}: {HARD_TO_TRACK}"
    yield from of_template(spec.template, *path, "template")
