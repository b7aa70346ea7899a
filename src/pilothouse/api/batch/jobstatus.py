"""Validation of a Job's status: a final condition stays, is announced, and agrees with the counts.

Most rules hold only for what an update changes, as upstream has it: a status of old that breaks one may stay as it is.
"""

from __future__ import annotations

from pilothouse.api.batch.indexes import validate_indexes
from pilothouse.api.core.validation.fields import nonnegative
from pilothouse.api.internal import internal
from pilothouse.api.types.batch_v1 import Job
from pilothouse.machinery import time
from pilothouse.machinery.problems import Problems

COUNTS = ("active", "succeeded", "failed", "ready", "terminating")
ENDS = ("Complete", "Failed")
ANNOUNCED = (("Failed", "FailureTarget", "true"), ("Complete", "SuccessCriteriaMet", "true"))
EXCLUSIVE = (
    ("Complete", "Failed"), ("Complete", "FailureTarget"), ("SuccessCriteriaMet", "Failed"), ("SuccessCriteriaMet", "FailureTarget"),
)  # fmt: skip
TERMINAL = ("Failed", "Complete", "FailureTarget")


def validate_job_status(old: Job, new: Job, problems: Problems) -> None:
    """Rules of a Job's status and of its changes. Upstream: validateJobStatus, ValidateJobUpdateStatus."""
    for field in COUNTS:
        nonnegative(getattr(new.status, field), problems, field)
    before, after = true_conditions(old), true_conditions(new)
    _validate_uncounted(new, problems)
    _validate_conditions(before, after, problems.at("conditions"))
    _validate_times(old, new, before, after, problems)
    if set(ENDS) & after:
        _validate_end(old, new, ends_anew=not set(ENDS) & before, problems=problems)
    _validate_counts(old, new, problems)
    for name in (*TERMINAL, "SuccessCriteriaMet"):
        if name in before and name not in after:
            problems.at("conditions").wrong(f"cannot disable the {'terminal ' if name in TERMINAL else ''}{name}=True condition")


def true_conditions(job: Job) -> set[str]:
    """Types of the Job's conditions that are True."""
    return {condition.type for condition in job.status.conditions if condition.status == "True"}


def _validate_uncounted(new: Job, problems: Problems) -> None:
    if new.status.uncountedTerminatedPods is None:
        return
    seen: set[str] = set()
    for name in ("succeeded", "failed"):
        for index, uid in enumerate(getattr(new.status.uncountedTerminatedPods, name)):
            here = problems.at("uncountedTerminatedPods", name, index)
            if not uid:
                here.invalid(uid, "must not be empty")
            elif uid in seen:
                here.duplicate(uid)
            seen.add(uid)


def _validate_conditions(before: set[str], after: set[str], problems: Problems) -> None:
    for first, second in EXCLUSIVE:
        if {first, second} <= after and not {first, second} <= before:
            problems.wrong(f"cannot set {first}=True and {second}=true conditions")
    for end, announcement, word in ANNOUNCED:
        if end in after and announcement not in after and (end not in before or announcement in before):
            problems.wrong(f"cannot set {end}=True condition without the {announcement}={word} condition")


def _validate_times(old: Job, new: Job, before: set[str], after: set[str], problems: Problems) -> None:
    start, end = new.status.startTime, new.status.completionTime
    here = problems.at("completionTime")
    if end != old.status.completionTime or ("Complete" in before) != ("Complete" in after):
        if end and "Complete" not in after:
            here.invalid(end, "cannot set completionTime when there is no Complete=True condition")
        if not end and "Complete" in after:
            here.required("completionTime is required for Complete jobs")
    moved = (start, end) != (old.status.startTime, old.status.completionTime)
    if moved and start and end and time.parse(end) < time.parse(start):
        here.invalid(end, "must be equal to or after `startTime`")
    if end and old.status.completionTime and end != old.status.completionTime:
        here.invalid(end, "field is immutable")
    suspended = {condition.type: condition.status for condition in new.status.conditions}.get("Suspended")
    resuming = "Suspended" in before and suspended == "False"  # a Job that is resumed starts anew
    if old.status.startTime and start != old.status.startTime and not new.spec.suspend and not resuming:
        problems.at("startTime").invalid(start or None, "field is immutable for unsuspended job once set")


def _validate_end(old: Job, new: Job, *, ends_anew: bool, problems: Problems) -> None:
    """A Job that has ended started once, and has no Pods that run, end, or have not been counted."""
    status, was = new.status, old.status
    if status.active > 0 and (ends_anew or status.active != was.active):
        problems.at("active").invalid(status.active, "active>0 is invalid for finished job")
    if not status.startTime and (ends_anew or was.startTime):
        problems.at("startTime").required("startTime is required for finished job")
    left = status.uncountedTerminatedPods
    if left is not None and (left.failed or left.succeeded) and (ends_anew or left != was.uncountedTerminatedPods):
        problems.at("uncountedTerminatedPods").invalid(internal(left, "batch.UncountedTerminatedPods"), "must be empty for finished job")
    if (status.terminating or 0) > 0 and (ends_anew or status.terminating != was.terminating):
        problems.at("terminating").invalid(status.terminating, "terminating>0 is invalid for finished job")


def _validate_counts(old: Job, new: Job, problems: Problems) -> None:
    spec, status, was = new.spec, new.status, old.status
    indexed = spec.completionMode == "Indexed"
    validate_indexes(spec, status, was, problems)
    if status.completedIndexes and not indexed and status.completedIndexes != was.completedIndexes:
        text = "cannot set non-empty completedIndexes when non-indexed completion mode"
        problems.at("completedIndexes").invalid(status.completedIndexes, text)
    if status.failedIndexes is not None and spec.backoffLimitPerIndex is None and status.failedIndexes != was.failedIndexes:
        text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        problems.at("failedIndexes").invalid(status.failedIndexes, text)
    if status.ready is not None and status.ready > status.active and (status.ready, status.active) != (was.ready, was.active):
        problems.at("ready").invalid(status.ready, "cannot set more ready pods than active")
    if status.failed < was.failed:
        problems.at("failed").invalid(status.failed, "cannot decrease the failed counter")
    scales = indexed and spec.completions == spec.parallelism  # what is scaled down counts less
    if status.succeeded < was.succeeded and not scales:
        problems.at("succeeded").invalid(status.succeeded, "cannot decrease the succeeded counter")
