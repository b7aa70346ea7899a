"""Completion and failure of a Job. Pure.

What was decided stays decided: a condition that says so comes before anything that Pods do since. Failure comes before success.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pilothouse.api.types.batch_v1 import Job, JobCondition
from pilothouse.api.types.core_v1 import Pod
from pilothouse.controllers import pods
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.jobs import failurepolicy, indexes
from pilothouse.controllers.jobs.tally import Tally

COMPLETE, FAILED = "Complete", "Failed"
ANNOUNCED_BY = {COMPLETE: "SuccessCriteriaMet", FAILED: "FailureTarget"}
"""The condition that tells of an end before the last Pod is gone."""
DEFAULT_BACKOFF_LIMIT = 6


class Verdict(NamedTuple):
    """How a Job finishes: condition type, reason and message."""

    kind: str
    reason: str
    message: str


REACHED = Verdict(COMPLETE, "CompletionsReached", "Reached expected number of succeeded pods")
TOO_MANY_FAILURES = Verdict(FAILED, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
TOO_LATE = Verdict(FAILED, "DeadlineExceeded", "Job was active longer than specified deadline")
TOO_MANY_INDEXES = Verdict(FAILED, "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes")
SOME_INDEXES = Verdict(FAILED, "FailedIndexes", "Job has failed indexes")


def condition(job: Job, type: str) -> JobCondition | None:
    """The Job's condition of this type when its status is True, else None."""
    return next((condition for condition in job.status.conditions if condition.type == type and condition.status == "True"), None)


def verdict(job: Job, counts: Tally, members: Sequence[Pod], world: World) -> Verdict | None:
    """How the Job finishes; None while it is running."""
    for kind, announcement in ANNOUNCED_BY.items():
        decided = condition(job, announcement)
        if decided is not None:
            return Verdict(kind, decided.reason, decided.message)
    return _failure(job, counts, members, world) or _success(job, counts, members)


def _failure(job: Job, counts: Tally, members: Sequence[Pod], world: World) -> Verdict | None:
    unacceptable = failurepolicy.failing_message(job, members)
    if unacceptable:
        return Verdict(FAILED, failurepolicy.REASON, unacceptable)
    limit = DEFAULT_BACKOFF_LIMIT if job.spec.backoffLimit is None else job.spec.backoffLimit
    if counts.failed > limit or _restarts_exceed(job, members, limit):
        return TOO_MANY_FAILURES
    deadline = job.spec.activeDeadlineSeconds
    if deadline is not None and job.status.startTime and not job.spec.suspend and world.seconds_since(job.status.startTime) >= deadline:
        return TOO_LATE
    most = job.spec.maxFailedIndexes
    if most is not None and len(counts.given_up) > most:
        return TOO_MANY_INDEXES
    if counts.given_up and len(counts.given_up) + len(counts.done) >= (job.spec.completions or 0):
        return SOME_INDEXES
    return None


def _restarts_exceed(job: Job, members: Sequence[Pod], limit: int) -> bool:
    """Containers that are restarted in place count as failures, too."""
    if job.spec.template.spec.restartPolicy != "OnFailure":
        return False
    statuses = (
        status
        for pod in members
        if pod.status.phase in ("Running", "Pending")
        for status in (*pod.status.initContainerStatuses, *pod.status.containerStatuses)
    )
    return sum(status.restartCount for status in statuses) >= max(limit, 1)


def _success(job: Job, counts: Tally, members: Sequence[Pod]) -> Verdict | None:
    rule = _rule_met(job, counts)
    if rule is not None:
        return Verdict(COMPLETE, "SuccessPolicy", f"Matched rules at index {rule}")
    if job.spec.completions is None:
        return REACHED if counts.succeeded > 0 and not any(map(pods.is_active, members)) else None
    return REACHED if counts.succeeded >= job.spec.completions else None


def _rule_met(job: Job, counts: Tally) -> int | None:
    """The place of the first rule of the successPolicy that holds."""
    if job.spec.successPolicy is None or not counts.done:
        return None
    for place, rule in enumerate(job.spec.successPolicy.rules or ()):
        wanted = {index for index in indexes.parse(rule.succeededIndexes or "") if index < (job.spec.completions or 0)}
        if rule.succeededIndexes and not wanted:
            continue
        done = len(counts.done & wanted) if wanted else len(counts.done)
        if (wanted and done == len(wanted)) or (rule.succeededCount is not None and done >= rule.succeededCount):
            return place
    return None
