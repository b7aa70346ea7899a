"""Replica counts of a Deployment's ReplicaSets: bounds of a rolling update, and proportional scaling."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pilothouse.api.types.apps_v1 import Deployment, ReplicaSet, RollingUpdateDeployment
from pilothouse.machinery import intorstring, strconv

DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"

Sizes = dict[str, int]
"""ReplicaSet name -> the Pods that it is to have."""


def wanted(obj: Deployment | ReplicaSet) -> int:
    """Desired replicas of a ReplicaSet or Deployment."""
    return 1 if obj.spec.replicas is None else obj.spec.replicas


def total(replicasets: Iterable[ReplicaSet]) -> int:
    """The Pods that they ask for together."""
    return sum(wanted(replicaset) for replicaset in replicasets)


def is_rolling(deployment: Deployment) -> bool:
    """Whether the strategy is RollingUpdate, which is also what an empty type means."""
    return deployment.spec.strategy.type != "Recreate"


def _fenceposts(deployment: Deployment) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in Pods; both zero would stand still for ever, so that one may be unavailable then."""
    rolling = deployment.spec.strategy.rollingUpdate or RollingUpdateDeployment()
    surge = intorstring.scaled(rolling.maxSurge or 0, wanted(deployment), True)
    unavailable = intorstring.scaled(rolling.maxUnavailable or 0, wanted(deployment), False)
    return (0, 1) if surge == 0 and unavailable == 0 else (surge, unavailable)


def max_surge(deployment: Deployment) -> int:
    """Number of Pods allowed above `spec.replicas` during a rolling update; percentages are rounded up."""
    return _fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Deployment) -> int:
    """Number of Pods that may be unavailable during a rolling update; percentages are rounded down."""
    if not is_rolling(deployment) or wanted(deployment) == 0:
        return 0
    return min(_fenceposts(deployment)[1], wanted(deployment))


def new_size(deployment: Deployment, everything: Sequence[ReplicaSet], new: ReplicaSet) -> int:
    """Replicas that the new ReplicaSet may have now."""
    if not is_rolling(deployment):
        return wanted(deployment)
    room = wanted(deployment) + max_surge(deployment) - total(everything)
    if room <= 0:
        return wanted(new)
    return wanted(new) + min(room, wanted(deployment) - wanted(new))


def shrink_old(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> list[tuple[ReplicaSet, int]]:
    """New replica counts of old ReplicaSets, in the order of the changes: unhealthy Pods first, then within the bounds.

    `old` is sorted by age. A ReplicaSet may come twice.
    """
    least = wanted(deployment) - max_unavailable(deployment)
    unavailable_new = wanted(new) - new.status.availableReplicas
    may_go = total([*old, new]) - least - unavailable_new
    if not total(old) or may_go <= 0:
        return []
    sizes: Sizes = {replicaset.metadata.name: wanted(replicaset) for replicaset in old}
    steps = _drop_unhealthy(old, sizes, may_go)
    available = sum(replicaset.status.availableReplicas for replicaset in (*old, new))
    may_go = available - least
    for replicaset in old:
        going = min(sizes[replicaset.metadata.name], may_go)
        if going > 0:
            may_go -= going
            sizes[replicaset.metadata.name] -= going
            steps.append((replicaset, sizes[replicaset.metadata.name]))
    return steps


def _drop_unhealthy(old: Sequence[ReplicaSet], sizes: Sizes, may_go: int) -> list[tuple[ReplicaSet, int]]:
    steps: list[tuple[ReplicaSet, int]] = []
    for replicaset in old:
        going = min(may_go, wanted(replicaset) - replicaset.status.availableReplicas)
        if going > 0:
            may_go -= going
            sizes[replicaset.metadata.name] -= going
            steps.append((replicaset, sizes[replicaset.metadata.name]))
    return steps


# Scaling, which is something else than a rollout.


def is_scaling(deployment: Deployment, replicasets: Iterable[ReplicaSet]) -> bool:
    """The Deployment was scaled since its ReplicaSets were last sized."""
    for replicaset in replicasets:
        desired = strconv.integer(replicaset.metadata.annotations.get(DESIRED_REPLICAS, ""), strconv.INT32)
        if wanted(replicaset) > 0 and desired is not None and desired != wanted(deployment):
            return True
    return False


def active_or_latest(new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """The only ReplicaSet with Pods; the newest when none has any; None when several have. `old` is sorted by age."""
    everything = [*reversed(old), *([new] if new else [])]
    active = [replicaset for replicaset in everything if wanted(replicaset) > 0]
    if len(active) == 1:
        return active[0]
    if active:
        return None
    return new or (everything[0] if everything else None)


def is_saturated(deployment: Deployment, new: ReplicaSet | None) -> bool:
    """The new ReplicaSet has everything the Deployment asks for, and it is available."""
    if new is None:
        return False
    desired, all_ = new.metadata.annotations.get(DESIRED_REPLICAS, ""), wanted(deployment)
    return desired == str(all_) and wanted(new) == all_ and new.status.availableReplicas == all_


def proportional(deployment: Deployment, active: Sequence[ReplicaSet]) -> list[tuple[ReplicaSet, int]]:
    """Sizes that keep the shares of the ReplicaSets in the midst of a rollout; what rounding leaves goes to the largest."""
    allowed = wanted(deployment) + max_surge(deployment) if wanted(deployment) > 0 else 0
    to_add = allowed - total(active)
    ordered = _largest_first(active, newer=to_add > 0) if to_add else [*active]
    sizes: Sizes = {}
    added = 0
    for replicaset in ordered:
        share = _share(replicaset, deployment, to_add, added)
        sizes[replicaset.metadata.name] = wanted(replicaset) + share
        added += share
    if to_add and ordered:
        first = ordered[0].metadata.name
        sizes[first] = max(0, sizes[first] + to_add - added)
    return [(replicaset, sizes[replicaset.metadata.name]) for replicaset in ordered]


def _largest_first(replicasets: Sequence[ReplicaSet], *, newer: bool) -> list[ReplicaSet]:
    """By size; among equals the newer first when growing, the older when shrinking."""
    by_age = sorted(replicasets, key=lambda replicaset: (replicaset.metadata.creationTimestamp, replicaset.metadata.name), reverse=newer)
    return sorted(by_age, key=lambda replicaset: -wanted(replicaset))


def _share(replicaset: ReplicaSet, deployment: Deployment, to_add: int, added: int) -> int:
    if wanted(replicaset) == 0 or to_add in (0, added):
        return 0
    fraction = _fraction(replicaset, deployment)
    return min(fraction, to_add - added) if to_add > 0 else max(fraction, to_add - added)


def _fraction(replicaset: ReplicaSet, deployment: Deployment) -> int:
    if wanted(deployment) == 0:
        return -wanted(replicaset)
    before = strconv.integer(replicaset.metadata.annotations.get(MAX_REPLICAS, ""), strconv.INT32) or deployment.status.replicas
    if before == 0:
        return 0
    size = wanted(replicaset) * (wanted(deployment) + max_surge(deployment)) / before
    return math.floor(size + 0.5) - wanted(replicaset)


def annotate(replicaset: ReplicaSet, deployment: Deployment) -> bool:
    """Note for which size of the Deployment the ReplicaSet was sized (changes `replicaset`); False when that is noted already."""
    notes = {DESIRED_REPLICAS: str(wanted(deployment)), MAX_REPLICAS: str(wanted(deployment) + max_surge(deployment))}
    if all(replicaset.metadata.annotations.get(name) == value for name, value in notes.items()):
        return False
    replicaset.metadata.annotations.update(notes)
    return True
