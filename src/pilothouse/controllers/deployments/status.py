"""Status of a Deployment: counts, and the conditions Available, Progressing and ReplicaFailure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pilothouse.api.types.apps_v1 import Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet
from pilothouse.controllers.deployments import sizes
from pilothouse.machinery import time
from pilothouse.machinery.conditions import find_condition

PROGRESSING, AVAILABLE, REPLICA_FAILURE = "Progressing", "Available", "ReplicaFailure"
NEW_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"
CREATED, FOUND, UPDATED, CREATE_FAILED = "NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated", "ReplicaSetCreateError"
NO_DEADLINE = 2**31 - 1
"""progressDeadlineSeconds of this much means none."""


def condition(status: DeploymentStatus, type: str) -> DeploymentCondition | None:
    """The condition of this type, or None."""
    return find_condition(status.conditions, type)


def made(type: str, status: str, reason: str, message: str, now: str) -> DeploymentCondition:
    """A new condition; `now` becomes both of its times."""
    return DeploymentCondition(type=type, status=status, reason=reason, message=message, lastUpdateTime=now, lastTransitionTime=now)


def put(status: DeploymentStatus, new: DeploymentCondition) -> None:
    """Set a condition; one of the same status and reason stays as it is, message and all, as upstream has it."""
    current = condition(status, new.type)
    if current is not None:
        if current.status == new.status and current.reason == new.reason:
            return
        if current.status == new.status:
            new.lastTransitionTime = current.lastTransitionTime
    drop(status, new.type)
    status.conditions.append(new)


def drop(status: DeploymentStatus, type: str) -> None:
    """Remove the condition of this type, if there is one."""
    status.conditions = [condition for condition in status.conditions if condition.type != type]


def has_deadline(deployment: Deployment) -> bool:
    """Whether `progressDeadlineSeconds` limits the time of a rollout."""
    return deployment.spec.progressDeadlineSeconds not in (None, NO_DEADLINE)


def counted(deployment: Deployment, everything: Sequence[ReplicaSet], new: ReplicaSet | None, now: str) -> DeploymentStatus:
    """Status with counts and the condition Available; other conditions are kept.

    Desired Pods that were not created count as unavailable.
    """
    available = sum(replicaset.status.availableReplicas for replicaset in everything)
    status = DeploymentStatus(
        observedGeneration=deployment.metadata.generation,
        replicas=sum(replicaset.status.replicas for replicaset in everything),
        updatedReplicas=new.status.replicas if new else 0,
        readyReplicas=sum(replicaset.status.readyReplicas for replicaset in everything),
        availableReplicas=available,
        unavailableReplicas=max(0, sizes.total(everything) - available),
        collisionCount=deployment.status.collisionCount,
        conditions=[*deployment.status.conditions],
    )
    if available >= sizes.wanted(deployment) - sizes.max_unavailable(deployment):
        put(status, made(AVAILABLE, "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now))
    else:
        put(status, made(AVAILABLE, "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now))
    return status


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    """Every Pod is of the new template and available, and nothing else is left."""
    asked = sizes.wanted(deployment)
    return (
        status.updatedReplicas == asked
        and status.replicas == asked
        and status.availableReplicas == asked
        and status.observedGeneration >= deployment.metadata.generation
    )


def is_progressing(deployment: Deployment, status: DeploymentStatus) -> bool:
    """Something has got better since the last status."""
    before = deployment.status
    return (
        status.updatedReplicas > before.updatedReplicas
        or status.replicas - status.updatedReplicas < before.replicas - before.updatedReplicas
        or status.readyReplicas > before.readyReplicas
        or status.availableReplicas > before.availableReplicas
    )


def has_timed_out(deployment: Deployment, status: DeploymentStatus, now: datetime) -> bool:
    """Whether the rollout made no progress within its deadline."""
    current = condition(status, PROGRESSING)
    if current is None or current.reason == NEW_AVAILABLE:
        return False
    return current.reason == TIMED_OUT or seconds_left(deployment, current, now) < 0


def seconds_left(deployment: Deployment, current: DeploymentCondition, now: datetime) -> float:
    """Seconds until the progress deadline."""
    return (deployment.spec.progressDeadlineSeconds or 0) - (now - time.parse(current.lastUpdateTime or "")).total_seconds()


def of_rollout(
    deployment: Deployment, status: DeploymentStatus, everything: Sequence[ReplicaSet], new: ReplicaSet | None, now: datetime
) -> DeploymentStatus:
    """Complete `status` (the counts) with Progressing and ReplicaFailure."""
    if not has_deadline(deployment):
        drop(status, PROGRESSING)
    current = condition(deployment.status, PROGRESSING)
    settled = status.replicas == status.updatedReplicas and current is not None and current.reason == NEW_AVAILABLE
    if has_deadline(deployment) and not settled:
        _judge_progress(deployment, status, new, now)
    drop(status, REPLICA_FAILURE)
    failure = _replica_failure(everything, new)
    if failure is not None:
        status.conditions.append(failure)
    return status


def _judge_progress(deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, now: datetime) -> None:
    subject = f'ReplicaSet "{new.metadata.name}"' if new else f'Deployment "{deployment.metadata.name}"'
    stamp = time.text(now)
    if is_complete(deployment, status):
        put(status, made(PROGRESSING, "True", NEW_AVAILABLE, f"{subject} has successfully progressed.", stamp))
    elif is_progressing(deployment, status):
        fresh = made(PROGRESSING, "True", UPDATED, f"{subject} is progressing.", stamp)
        current = condition(status, PROGRESSING)
        if current is not None and current.status == "True":
            fresh.lastTransitionTime = current.lastTransitionTime
        drop(status, PROGRESSING)  # so that each progress renews lastUpdateTime, from which the deadline counts
        status.conditions.append(fresh)
    elif has_timed_out(deployment, status, now):
        put(status, made(PROGRESSING, "False", TIMED_OUT, f"{subject} has timed out progressing.", stamp))


def _replica_failure(everything: Sequence[ReplicaSet], new: ReplicaSet | None) -> DeploymentCondition | None:
    """The failure of a ReplicaSet as the Deployment's own; that of the new one before others."""
    for replicaset in ([new] if new else []) + [*everything]:
        for condition in replicaset.status.conditions:
            if condition.type == REPLICA_FAILURE:
                return DeploymentCondition(
                    type=REPLICA_FAILURE,
                    status=condition.status,
                    reason=condition.reason,
                    message=condition.message,
                    lastTransitionTime=condition.lastTransitionTime,
                    lastUpdateTime=condition.lastTransitionTime,
                )
    return None
