"""Counting of a Job's finished Pods, once each even when Pods are deleted (by finalizer and uncountedTerminatedPods).

A Pod carries a finalizer until it is counted: (1) its uid is written to `uncountedTerminatedPods`, (2) its finalizer is taken off,
(3) when the cache shows that, the uid becomes a number. Stopped anywhere in between, the next plan goes on from what is written.
An index that has succeeded is written as such before that finalizer is taken off, so that it needs no uid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from pilothouse.api.types.batch_v1 import Job, UncountedTerminatedPods
from pilothouse.api.types.core_v1 import Pod
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Patch
from pilothouse.controllers.jobs import failurepolicy, indexes, perindex

FINALIZER = "batch.kubernetes.io/job-tracking"
UNCOUNTED_LIMIT = 500
"""Uids in the status at once."""


@dataclass(slots=True)
class Tally:
    """Counts for the Job's status; `succeeded` and `failed` include Pods that are not yet counted in the status."""

    counted_succeeded: int = 0
    counted_failed: int = 0
    uncounted: UncountedTerminatedPods = field(default_factory=UncountedTerminatedPods)
    done: set[int] = field(default_factory=set)
    given_up: set[int] = field(default_factory=set)
    """Indexes that have failed more often than backoffLimitPerIndex says."""
    to_replace: dict[int, Pod] = field(default_factory=dict)
    """By index, the failed Pod that the next one follows."""
    release: list[Patch] = field(default_factory=list)

    @property
    def succeeded(self) -> int:
        """Pods that succeeded, also those whose finalizer is still to be removed."""
        return self.counted_succeeded + len(self.uncounted.succeeded)

    @property
    def failed(self) -> int:
        """Pods that failed, also those whose finalizer is still to be removed."""
        return self.counted_failed + len(self.uncounted.failed)


class RemainingPods(Enum):
    """What becomes of Pods that have not finished."""

    RUN = "they go on"
    UNCOUNTED = "they are let go without being counted: the Job has succeeded, or goes away"
    FAILED = "they count as failed: the Job has"


def tally(job: Job, members: Sequence[Pod], rest: RemainingPods = RemainingPods.RUN) -> Tally:
    """Count the Job's ended Pods once each, by finalizer and `uncountedTerminatedPods`, as upstream's job controller does."""
    known = job.status.uncountedTerminatedPods or UncountedTerminatedPods()
    waiting = {pod.metadata.uid: pod for pod in members if FINALIZER in pod.metadata.finalizers}
    result = Tally(job.status.succeeded, job.status.failed, done=_done(job, waiting.values()))
    for uid in known.succeeded:
        if uid in waiting:
            result.uncounted.succeeded.append(uid)
        else:
            result.counted_succeeded += 1
    for uid in known.failed:
        if uid in waiting:
            result.uncounted.failed.append(uid)
        else:
            result.counted_failed += 1
    noted = {*known.succeeded, *known.failed}
    result.release = [without_finalizer(pod) for uid, pod in waiting.items() if uid in noted]
    fresh = [pod for uid, pod in waiting.items() if uid not in noted]
    result.given_up = perindex.failed_indexes(job, waiting.values(), result.done)
    result.to_replace = perindex.to_be_replaced(job, fresh, filter(pods.is_active, members), result.done | result.given_up)
    held = {pod.metadata.uid for pod in result.to_replace.values()} if rest is RemainingPods.RUN else set()
    for pod in fresh:
        if pod.metadata.uid not in held and len(result.uncounted.succeeded) + len(result.uncounted.failed) < UNCOUNTED_LIMIT:
            _note(job, pod, result, rest)
    if job.spec.completionMode == "Indexed":
        result.counted_succeeded = len(result.done) - len(result.uncounted.succeeded)
    return result


def _done(job: Job, waiting: Iterable[Pod]) -> set[int]:
    """The indexes that have succeeded: those in the status, as far as there still are so many, and those of Pods not yet counted."""
    if job.spec.completionMode != "Indexed":
        return set()
    completions = job.spec.completions or 0
    known = indexes.parse(job.status.completedIndexes)
    fresh = {indexes.index_of(pod) for pod in waiting if pod.status.phase == "Succeeded"}
    return {index for index in known | fresh if index is not None and index < completions}


def _note(job: Job, pod: Pod, result: Tally, rest: RemainingPods) -> None:
    """Count a Pod that has ended, or is to be counted so."""
    uid = pod.metadata.uid
    if pod.status.phase == "Succeeded":
        if job.spec.completionMode == "Indexed":
            result.release.append(without_finalizer(pod))  # its index says it: no Pod need be remembered
        else:
            result.uncounted.succeeded.append(uid)
    elif rest is RemainingPods.UNCOUNTED and pod.status.phase != "Failed":
        result.release.append(without_finalizer(pod))
    elif rest is RemainingPods.FAILED or failurepolicy.has_failed(job, pod):
        if failurepolicy.match_policy(job, pod)[0] == failurepolicy.IGNORE:
            result.release.append(without_finalizer(pod))
        else:
            result.uncounted.failed.append(uid)


def without_finalizer(pod: Pod) -> Patch:
    """The patch that takes the tracking finalizer off a Pod; it fails with a conflict when the Pod has changed."""
    left = [finalizer for finalizer in pod.metadata.finalizers if finalizer != FINALIZER]
    meta = pod.metadata
    return Patch(pod, {"metadata": {"uid": meta.uid, "resourceVersion": meta.resourceVersion, "finalizers": left or None}})
