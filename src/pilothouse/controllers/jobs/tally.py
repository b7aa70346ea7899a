"""How many Pods of a Job have succeeded and failed, each counted once though Pods vanish.

A Pod carries a finalizer until it is counted: (1) its uid is written to `uncountedTerminatedPods`, (2) its finalizer is taken off,
(3) when the cache shows that, the uid becomes a number. Stopped anywhere in between, the next plan goes on from what is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pilothouse.api.types.batch_v1 import Job, UncountedTerminatedPods
from pilothouse.api.types.core_v1 import Pod
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, Patch
from pilothouse.controllers.jobs import failurepolicy, indexes

FINALIZER = "batch.kubernetes.io/job-tracking"
UNCOUNTED_LIMIT = 500
"""Uids in the status at once."""


@dataclass(slots=True)
class Tally:
    """What is to be in the status; `succeeded` and `failed` are whole numbers with what is not yet counted."""

    counted_succeeded: int = 0
    counted_failed: int = 0
    uncounted: UncountedTerminatedPods = field(default_factory=UncountedTerminatedPods)
    done: set[int] = field(default_factory=set)
    release: list[Action] = field(default_factory=list)

    @property
    def succeeded(self) -> int:
        return self.counted_succeeded + len(self.uncounted.succeeded)

    @property
    def failed(self) -> int:
        return self.counted_failed + len(self.uncounted.failed)


def tally(job: Job, members: Sequence[Pod]) -> Tally:
    known = job.status.uncountedTerminatedPods or UncountedTerminatedPods()
    waiting = {pod.metadata.uid: pod for pod in members if FINALIZER in pod.metadata.finalizers}
    result = Tally(job.status.succeeded, job.status.failed, done=indexes.parse(job.status.completedIndexes))
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
    for uid, pod in waiting.items():
        if uid not in noted and len(result.uncounted.succeeded) + len(result.uncounted.failed) < UNCOUNTED_LIMIT:
            _note(job, pod, uid, result)
    if job.spec.completionMode == "Indexed":
        result.counted_succeeded = len(result.done) - len(result.uncounted.succeeded)
    return result


def _note(job: Job, pod: Pod, uid: str, result: Tally) -> None:
    if pod.status.phase == "Succeeded":
        index = indexes.index_of(pod)
        if job.spec.completionMode == "Indexed":
            if index is None or index in result.done or index >= (job.spec.completions or 0):
                result.release.append(without_finalizer(pod))  # another has done that index already
                return
            result.done.add(index)
        result.uncounted.succeeded.append(uid)
    elif failurepolicy.has_failed(job, pod):
        if failurepolicy.judge(job, pod)[0] == failurepolicy.IGNORE:
            result.release.append(without_finalizer(pod))
        else:
            result.uncounted.failed.append(uid)


def without_finalizer(pod: Pod) -> Patch:
    left = [one for one in pod.metadata.finalizers if one != FINALIZER]
    meta = pod.metadata
    return Patch(pod, {"metadata": {"uid": meta.uid, "resourceVersion": meta.resourceVersion, "finalizers": left or None}})


def is_active(pod: Pod) -> bool:
    return pods.is_active(pod)
