"""Order in which surplus Pods are deleted (upstream's ActivePodsWithRanks).

Unassigned before assigned, Pending before Unknown before Running, not ready before ready, lower deletion cost first, those whose node
has more of their like, ready for a shorter time, more restarts, younger. Ages are compared by their magnitude (powers of two), and
among equals chance decides, by uid.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cmp_to_key

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Pod
from pilothouse.controllers import pods
from pilothouse.machinery import strconv, time

PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def cheapest_first(candidates: Sequence[Pod], related: Iterable[Pod], now: datetime) -> list[Pod]:
    """The order of removal. `related` are the Pods of all owners of the same controller, which count as doubles on a node."""
    doubles = Counter(pod.spec.nodeName for pod in related if pods.is_active(pod))

    def compare(first: Pod, second: Pod) -> int:
        left, right = _rank(first, doubles), _rank(second, doubles)
        if left != right:
            return -1 if left < right else 1
        return _by_age(first, second, now)

    return sorted(candidates, key=cmp_to_key(compare))


def _rank(pod: Pod, doubles: Counter[str]) -> tuple[int, ...]:
    return (
        1 if pod.spec.nodeName else 0,
        PHASES.get(pod.status.phase, 0),
        1 if pods.is_ready(pod) else 0,
        deletion_cost(pod),
        -doubles[pod.spec.nodeName],
    )


def _by_age(first: Pod, second: Pod, now: datetime) -> int:
    if pods.is_ready(first) and pods.is_ready(second):
        answer = _younger(pods.ready_since(first), pods.ready_since(second), first, second, now)
        if answer:
            return answer
    left, right = pods.most_restarts(first), pods.most_restarts(second)
    if left != right:
        return -1 if left > right else 1
    return _younger(_created(first), _created(second), first, second, now)


def _younger(left: datetime | None, right: datetime | None, first: Pod, second: Pod, now: datetime) -> int:
    if left == right:
        return 0
    if left is None or right is None:
        return -1 if left is None else 1
    difference = _magnitude(left, now) - _magnitude(right, now)
    if difference == 0:
        return -1 if first.metadata.uid < second.metadata.uid else 1
    return difference


def _magnitude(moment: datetime, now: datetime) -> int:
    nanoseconds = (now - moment).total_seconds() * 1e9
    return int(math.log2(nanoseconds)) if nanoseconds > 0 else -1


def _created(pod: Pod) -> datetime | None:
    created = pod.metadata.creationTimestamp
    return time.parse(created) if created else None


def deletion_cost(pod: Pod) -> int:
    """The annotation's value; 0 without one, or with one that is no 32-bit number."""
    text = pod.metadata.annotations.get(wellknown.POD_DELETION_COST, "0")
    value = strconv.integer(text, strconv.INT32)
    return value if value is not None and text == str(value) else 0
