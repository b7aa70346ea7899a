"""Backoff of a Job after failed Pods: 10 s, doubled with each consecutive failure, at most 10 minutes."""

from __future__ import annotations

from datetime import datetime, timedelta

from pilothouse.api.types.core_v1 import Pod
from pilothouse.controllers import pods
from pilothouse.machinery import time

FIRST_SECONDS, LONGEST_SECONDS = 10.0, 600.0


def seconds_left(failures: int, last: datetime, now: datetime) -> float:
    """Seconds until the next Pod may be created after consecutive failures; not positive when it may be created now."""
    if failures <= 0 or last > now:  # the clock was set back: nobody knows how long ago it was
        return 0.0
    return min(FIRST_SECONDS * 2.0 ** min(failures - 1, 16), LONGEST_SECONDS) - (now - last).total_seconds()


def finished_at(pod: Pod) -> datetime:
    """When its last container ended; else since when it is not ready, when it was to be gone, or when it was made."""
    sidecars = {init_container.name for init_container in pod.spec.initContainers if init_container.restartPolicy == "Always"}
    statuses = [*pod.status.containerStatuses, *(status for status in pod.status.initContainerStatuses if status.name in sidecars)]
    ends = [(status.state.terminated.finishedAt or "") if status.state.terminated else "" for status in statuses]
    if ends and all(ends):
        return max(map(time.parse, ends))
    ready = pods.condition(pod, "Ready")
    if ready is not None and ready.status == "False" and ready.lastTransitionTime:
        return time.parse(ready.lastTransitionTime)
    meta = pod.metadata
    if meta.deletionTimestamp:
        return time.parse(meta.deletionTimestamp) - timedelta(seconds=meta.deletionGracePeriodSeconds or 0)
    return time.parse(meta.creationTimestamp)
