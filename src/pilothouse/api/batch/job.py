"""Job: Pods that run to completion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from pilothouse.api.batch.jobspec import UNLIMITED, of_job_spec, validate_job_spec
from pilothouse.api.batch.jobstatus import validate_job_status
from pilothouse.api.core.columns import selector_column, template_columns
from pilothouse.api.core.defaults.podspec import default_pod_spec
from pilothouse.api.core.validation.fields import immutable
from pilothouse.api.core.validation.selectors import is_valid, validate_label_selector
from pilothouse.api.core.warnings.names import of_name
from pilothouse.api.internal import internal
from pilothouse.api.types.batch_v1 import Job, JobSpec
from pilothouse.api.types.core_v1 import Affinity, PodTemplateSpec
from pilothouse.machinery import labels, names, time
from pilothouse.machinery.codec import clone
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Since
from pilothouse.machinery.strategy import Strategy

BACKOFF_LIMIT = 6
UID_LABEL, NAME_LABEL = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
LEGACY_UID_LABEL, LEGACY_NAME_LABEL = "controller-uid", "job-name"
STATES = ("Complete", "Failed", "Terminating", "Suspended", "FailureTarget")


def _status(job: Job) -> str:
    true = {condition.type for condition in job.status.conditions if condition.status == "True"}
    if job.metadata.deletionTimestamp:
        true.add("Terminating")
    return next((state for state in STATES if state in true), "Running")


def _completions(job: Job) -> str:
    if job.spec.completions is not None:
        return f"{job.status.succeeded}/{job.spec.completions}"
    parallelism = job.spec.parallelism or 0
    return f"{job.status.succeeded}/1 of {parallelism}" if parallelism > 1 else f"{job.status.succeeded}/1"


def _duration(job: Job) -> str | Since:
    status = job.status
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
        *template_columns(lambda job: job.spec.template),
        selector_column(lambda job: job.spec.selector),
    ),
    selectable_fields={"status.successful": lambda job: str(job.status.succeeded)},
    unknown_field='field label "{}" not supported for Job',
    strategy=Strategy(
        default_deletion="Orphan",
        deletion_warning="child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them "
        "or set propagationPolicy=Orphan to suppress this warning",
    ),
)


@JOB.default
def default(job: Job) -> None:
    """Default completions and parallelism 1, backoffLimit 6, labels of the template, NonIndexed. Upstream: SetDefaults_Job."""
    spec = job.spec
    if spec.completions is None and spec.parallelism is None:
        spec.completions = 1
    if spec.parallelism is None:
        spec.parallelism = 1
    if spec.backoffLimit is None:
        spec.backoffLimit = BACKOFF_LIMIT if spec.backoffLimitPerIndex is None else UNLIMITED
    job.metadata.labels = job.metadata.labels or spec.template.metadata.labels  # one map, as in upstream: what one gets, both have
    if spec.completionMode is None:
        spec.completionMode = "NonIndexed"
    spec.suspend = bool(spec.suspend)
    spec.manualSelector = bool(spec.manualSelector)
    if spec.podReplacementPolicy is None:
        spec.podReplacementPolicy = "TerminatingOrFailed" if spec.podFailurePolicy is None else "Failed"
    for rule in (spec.podFailurePolicy.rules or ()) if spec.podFailurePolicy else ():
        for pattern in rule.onPodConditions:
            pattern.status = pattern.status or "True"
    default_pod_spec(spec.template.spec)


@JOB.prepare_create
def prepare_create(job: Job) -> None:
    """Unless the client takes care of it, the Job's own uid tells its Pods from all others."""
    if job.spec.manualSelector:
        return
    template_labels = job.spec.template.metadata.labels
    for key, value in _generated(job).items():
        template_labels.setdefault(key, value)
    selector = job.spec.selector or LabelSelector()
    if UID_LABEL not in selector.matchLabels:
        selector.matchLabels[UID_LABEL] = job.metadata.uid
    job.spec.selector = selector
    job.metadata.labels = job.metadata.labels or dict(template_labels)  # upstream defaults once more when it reads what it has stored


@JOB.validate
def validate(job: Job, problems: Problems) -> None:
    """Rules of the spec, its selector and its template. Upstream: ValidateJobCreate."""
    spec, here = job.spec, problems.at("spec")
    if not job.metadata.resourceVersion:
        _validate_new(job, problems)
    validate_job_spec(spec, here)
    if spec.selector is None:
        here.at("selector").required()
    else:
        validate_label_selector(spec.selector, here.at("selector"))
    if spec.selector is None or is_valid(spec.selector):
        given = spec.template.metadata.labels
        if spec.selector is None or not labels.from_label_selector(spec.selector).matches(given):
            here.at("template", "metadata", "labels").invalid(given or None, "`selector` does not match template `labels`")
    if not job.metadata.resourceVersion:
        _validate_name(job, problems)


def _validate_new(job: Job, problems: Problems) -> None:
    """What upstream asks of a Job only when it is new: that its Pods are told from all others, and have names."""
    spec = job.spec
    if not spec.manualSelector and spec.selector is not None:
        given, here = spec.template.metadata.labels, problems.at("spec", "template", "metadata", "labels")
        wanted = _generated(job)
        for key, value in wanted.items():
            if given.get(key) != value:
                here.at(f"[{key}]").invalid(given, f"must be '{value}'")
        with suppress(ValueError):  # one that is none is told elsewhere
            if not labels.from_label_selector(spec.selector).matches(wanted):
                problems.at("spec", "selector").invalid(spec.selector, "`selector` not auto-generated")


def _validate_name(job: Job, problems: Problems) -> None:
    """The Pods of an indexed Job are named after it and their index."""
    spec = job.spec
    if spec.completionMode == "Indexed" and spec.completions:
        last = f"{job.metadata.name}-{spec.completions - 1}"
        if names.dns_label(last):
            message = f"will not able to create pod with invalid DNS label: {last}"
            problems.at("metadata", "name").invalid(job.metadata.name, message)


def _generated(job: Job) -> dict[str, str]:
    uid, name = job.metadata.uid, job.metadata.name
    return {UID_LABEL: uid, NAME_LABEL: name, LEGACY_UID_LABEL: uid, LEGACY_NAME_LABEL: name}


@JOB.validate_update
def validate_update(old: Job, new: Job, problems: Problems) -> None:
    """Validate immutable fields of a Job, and those that may change while it is suspended. Upstream: ValidateJobUpdate."""
    here = problems.at("spec")
    _compare_completions(old.spec, new.spec, here.at("completions"))
    immutable(new.spec.selector, old.spec.selector, here, "selector")
    held = old.spec.template
    if old.spec.suspend and not old.status.startTime:
        held = _with_directives_of(new.spec.template, held)
    _compare_templates(old, new, held, here)
    immutable(new.spec.completionMode, old.spec.completionMode, here, "completionMode")
    if new.spec.podFailurePolicy != old.spec.podFailurePolicy:
        here.at("podFailurePolicy").invalid(internal(new.spec.podFailurePolicy, "*batch.PodFailurePolicy"), IMMUTABLE)
    immutable(new.spec.backoffLimitPerIndex, old.spec.backoffLimitPerIndex, here, "backoffLimitPerIndex")
    immutable(new.spec.managedBy, old.spec.managedBy, here, "managedBy")
    if new.spec.successPolicy != old.spec.successPolicy:
        here.at("successPolicy").invalid(internal(new.spec.successPolicy, "*batch.SuccessPolicy"), IMMUTABLE)


def _compare_templates(old: Job, new: Job, held: PodTemplateSpec, problems: Problems) -> None:
    """The template is fixed; of a suspended Job, the resources of containers may change."""
    template = new.spec.template
    if not old.spec.suspend:
        if template != held:
            problems.at("template").invalid(internal(template, "core.PodTemplateSpec"), IMMUTABLE)
        return
    spec = clone(template.spec)
    for field in ("containers", "initContainers"):
        for container, before in zip(getattr(spec, field), getattr(held.spec, field), strict=False):
            container.resources = before.resources
    if spec != held.spec:
        problems.at("template.spec").invalid(internal(template.spec, "core.PodSpec"), IMMUTABLE)


def _compare_completions(old: JobSpec, new: JobSpec, problems: Problems) -> None:
    """An indexed Job may grow and shrink, with all its Pods at once."""
    if new.completionMode != "Indexed":
        immutable(new.completions, old.completions, problems)
    elif new.completions not in (None, old.completions, new.parallelism):
        problems.invalid(new.completions, "can only be modified in tandem with spec.parallelism")


def _with_directives_of(new: PodTemplateSpec, old: PodTemplateSpec) -> PodTemplateSpec:
    """The old template as far as it is fixed: where the Pods of a suspended Job go may be said until it first starts."""
    kept = clone(old)
    kept.metadata.annotations, kept.metadata.labels = new.metadata.annotations, new.metadata.labels
    for field in ("nodeSelector", "tolerations", "schedulingGates"):
        setattr(kept.spec, field, getattr(new.spec, field))
    affinity = kept.spec.affinity or Affinity()
    affinity.nodeAffinity = new.spec.affinity.nodeAffinity if new.spec.affinity else None
    kept.spec.affinity = affinity if new.spec.affinity or affinity != Affinity() else None
    return kept


@JOB.validate_status
def validate_status(old: Job, new: Job, problems: Problems) -> None:
    """Rules of `status`. Upstream: ValidateJobUpdateStatus."""
    validate_job_status(old, new, problems.at("status"))


@JOB.warn
def warn(new: Job, old: Job | None) -> Iterator[str]:
    """Warnings for the name on creation, and for the spec on creation and when it changes."""
    if old is None:
        yield from of_name(new.metadata.name)
    if old is None or new.metadata.generation != old.metadata.generation:
        yield from of_job_spec(new.spec, "spec")
