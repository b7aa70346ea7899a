"""backoffLimitPerIndex of Jobs: failures, backoff and end of each index.

How often an index has failed is written in its newest Pod, as annotations. So a Pod that failed keeps its finalizer until the Pod
that replaces it is there: the count must not vanish with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from pilothouse.api.types.batch_v1 import Job
from pilothouse.api.types.core_v1 import Pod
from pilothouse.controllers.jobs import failurepolicy, indexes
from pilothouse.controllers.jobs.backoff import finished_at, seconds_left
from pilothouse.machinery import strconv

FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"


def applies(job: Job) -> bool:
    """Whether the Job is Indexed and has a back-off limit for each index."""
    return job.spec.completionMode == "Indexed" and job.spec.backoffLimitPerIndex is not None


def failed_indexes(job: Job, uncounted: Iterable[Pod], done: Collection[int]) -> set[int]:
    """The indexes that are given up: those that were, and those of Pods that have failed once too often."""
    if not applies(job):
        return set()
    completions = job.spec.completions or 0
    known = {index for index in indexes.parse(job.status.failedIndexes or "") if index < completions}
    lost = {indexes.index_of(pod) for pod in uncounted if _has_failed_for_good(job, pod)}
    return known | {index for index in lost if index is not None and index < completions and index not in done}


def _has_failed_for_good(job: Job, pod: Pod) -> bool:
    if not failurepolicy.has_failed(job, pod):
        return False
    action = failurepolicy.match_policy(job, pod)[0]
    if action == failurepolicy.FAIL_INDEX:
        return True
    return action != failurepolicy.IGNORE and _count(pod, FAILURES) >= (job.spec.backoffLimitPerIndex or 0)


def to_be_replaced(job: Job, uncounted: Sequence[Pod], active: Iterable[Pod], ended: Collection[int]) -> dict[int, Pod]:
    """By index, the last failed Pod without a replacement. `ended` are indexes that need none."""
    if not applies(job):
        return {}
    replaced = {indexes.index_of(pod) for pod in active}
    by_index: dict[int, Pod] = {}
    for pod in sorted(uncounted, key=lambda pod: (_all_failures(pod), pod.metadata.creationTimestamp)):
        index = indexes.index_of(pod)
        if index is not None and index not in ended and index not in replaced and failurepolicy.has_failed(job, pod):
            by_index[index] = pod
    return by_index


def annotations_of_next(job: Job, replaced: Pod | None) -> Mapping[str, str]:
    """Annotations of the replacement Pod of an index, with its failure counts."""
    if not applies(job):
        return {}
    failures, ignored = (_count(replaced, FAILURES), _count(replaced, IGNORED_FAILURES)) if replaced is not None else (0, 0)
    if replaced is not None and failurepolicy.match_policy(job, replaced)[0] == failurepolicy.IGNORE:
        ignored += 1
    elif replaced is not None:
        failures += 1
    return {FAILURES: str(failures)} | ({IGNORED_FAILURES: str(ignored)} if ignored else {})


def wait(replaced: Pod, now: datetime) -> float:
    """Seconds until the index may have its next Pod."""
    return seconds_left(_all_failures(replaced) + 1, finished_at(replaced), now)


def _all_failures(pod: Pod) -> int:
    return _count(pod, FAILURES) + _count(pod, IGNORED_FAILURES)


def _count(pod: Pod, name: str) -> int:
    return strconv.unsigned(pod.metadata.annotations.get(name, ""), strconv.INT32) or 0
