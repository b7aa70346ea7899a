"""Job: Pods that run to completion."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.batch.jobspec import UNLIMITED, of_job_spec, validate_job_spec
from pilothouse.api.core.columns import selector_column, template_columns
from pilothouse.api.core.defaults.podspec import default_pod_spec
from pilothouse.api.core.validation.fields import immutable
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.core.warnings.names import of_name
from pilothouse.api.types.batch_v1 import Job
from pilothouse.machinery import labels, time
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Since

BACKOFF_LIMIT = 6
UID_LABEL, NAME_LABEL = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
LEGACY_UID_LABEL, LEGACY_NAME_LABEL = "controller-uid", "job-name"
STATES = ("Complete", "Failed", "Terminating", "Suspended", "FailureTarget")


def _status(one: Job) -> str:
    true = {condition.type for condition in one.status.conditions if condition.status == "True"}
    if one.metadata.deletionTimestamp:
        true.add("Terminating")
    return next((state for state in STATES if state in true), "Running")


def _completions(one: Job) -> str:
    if one.spec.completions is not None:
        return f"{one.status.succeeded}/{one.spec.completions}"
    parallelism = one.spec.parallelism or 0
    return f"{one.status.succeeded}/1 of {parallelism}" if parallelism > 1 else f"{one.status.succeeded}/1"


def _duration(one: Job) -> str | Since:
    status = one.status
    if not status.startTime:
        return ""
    if not status.completionTime:
        return Since(status.startTime)
    return time.human_duration((time.parse(status.completionTime) - time.parse(status.startTime)).total_seconds())


JOB = Resource(
    Job,
    plural="jobs",
    categories=("all",),
    subresources=(STATUS,),
    columns=(
        Column("Status", _status, description="Status of the job."),
        Column("Completions", _completions),
        Column("Duration", _duration, description="Time required to complete the job."),
        AGE,
        *template_columns(lambda one: one.spec.template),
        selector_column(lambda one: one.spec.selector),
    ),
    selectable_fields={"status.successful": lambda one: str(one.status.succeeded)},
)


@JOB.default
def default(one: Job) -> None:
    spec = one.spec
    if spec.completions is None and spec.parallelism is None:
        spec.completions = 1
    if spec.parallelism is None:
        spec.parallelism = 1
    if spec.backoffLimit is None:
        spec.backoffLimit = BACKOFF_LIMIT if spec.backoffLimitPerIndex is None else UNLIMITED
    one.metadata.labels = one.metadata.labels or dict(spec.template.metadata.labels)
    spec.completionMode = spec.completionMode or "NonIndexed"
    spec.suspend = bool(spec.suspend)
    spec.manualSelector = bool(spec.manualSelector)
    spec.podReplacementPolicy = spec.podReplacementPolicy or ("TerminatingOrFailed" if spec.podFailurePolicy is None else "Failed")
    for rule in spec.podFailurePolicy.rules if spec.podFailurePolicy else ():
        for pattern in rule.onPodConditions:
            pattern.status = pattern.status or "True"
    default_pod_spec(spec.template.spec)


@JOB.prepare_create
def prepare_create(one: Job) -> None:
    """Unless the client takes care of it, the Job's own uid tells its Pods from all others."""
    if one.spec.manualSelector:
        return
    uid, name = one.metadata.uid, one.metadata.name
    found = one.spec.template.metadata.labels
    for key, value in ((LEGACY_UID_LABEL, uid), (LEGACY_NAME_LABEL, name), (UID_LABEL, uid), (NAME_LABEL, name)):
        found.setdefault(key, value)
    selector = one.spec.selector or LabelSelector()
    if UID_LABEL not in selector.matchLabels:
        selector.matchLabels[UID_LABEL] = uid
    one.spec.selector = selector


@JOB.validate
def validate(one: Job, problems: Problems) -> None:
    spec, here = one.spec, problems.at("spec")
    validate_job_spec(spec, here)
    if spec.selector is None:
        here.at("selector").required()
        return
    validate_label_selector(spec.selector, here.at("selector"))
    try:
        matched = labels.from_label_selector(spec.selector).matches(spec.template.metadata.labels)
    except ValueError:
        return
    if not matched:
        where = here.at("template", "metadata", "labels")
        where.invalid(spec.template.metadata.labels, "`selector` does not match template `labels`")


@JOB.validate_update
def validate_update(old: Job, new: Job, problems: Problems) -> None:
    here = problems.at("spec")
    fields = ["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    # An indexed Job may grow and shrink, a suspended one that never started may get another template.
    elastic = new.spec.completionMode == "Indexed" and new.spec.completions == new.spec.parallelism
    if not elastic:
        fields.insert(0, "completions")
    if not (old.spec.suspend and not old.status.startTime):
        fields.append("template")
    for field in fields:
        immutable(getattr(new.spec, field), getattr(old.spec, field), here, field)


@JOB.warn
def warn(new: Job, old: Job | None) -> Iterator[str]:
    if old is None:
        yield from of_name(new.metadata.name)
    if old is None or new.metadata.generation != old.metadata.generation:
        yield from of_job_spec(new.spec, "spec")
