"""Replica management shared by ReplicaSets and ReplicationControllers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pilothouse.api.types.apps_v1 import ReplicaSetCondition
from pilothouse.api.types.core_v1 import Pod, PodTemplateSpec, ReplicationControllerCondition
from pilothouse.client.store import LabelMatcher
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, Create, Delete, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.owners import claim
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.ranking import cheapest_first
from pilothouse.machinery import codec, labels
from pilothouse.machinery.conditions import find_condition

BURST_LIMIT = 500
"""Creates or deletes in one plan."""


Related = Callable[[], Sequence[Pod]]


def manage_replicas(owner: Any, selector: LabelMatcher, related: Related, world: World) -> Iterator[Action]:
    """The plan of an owner with replicas, template and minReadySeconds in its spec.

    `related` gives the Pods that count as doubles on a node; asked only when some have to go.
    """
    claimed = claim(owner, filter(pods.is_active, world.claimable(owner, Pod, selector)), selector)
    yield from claimed.actions
    if not owner.metadata.deletionTimestamp:
        yield from _to_count(owner, claimed.members, related, world)
    yield UpdateStatus(_with_status(owner, claimed.members, world))
    yield from _when_available(owner, claimed.members, world)


def _to_count(owner: Any, members: Sequence[Pod], related: Related, world: World) -> Iterator[Action]:
    missing = _replicas(owner) - len(members)
    if missing > 0:
        template: PodTemplateSpec = owner.spec.template
        for _ in range(min(missing, BURST_LIMIT)):
            pod = pods.pod_from_template(template, owner.metadata.namespace, owner.metadata.name)
            yield Create(pod, owner=owner, announce=pods.POD_EVENTS)
    elif missing < 0:
        ranked = cheapest_first(members, related(), world.now) if -missing < len(members) else members
        for pod in ranked[: min(-missing, BURST_LIMIT)]:
            yield Delete(pod, owner=owner, announce=pods.POD_DELETE_EVENTS)


def _with_status(owner: Any, members: Sequence[Pod], world: World) -> Any:
    """A copy of `owner` with the status that the Pods make."""
    status = type(owner.status)(
        replicas=len(members),
        readyReplicas=sum(map(pods.is_ready, members)),
        availableReplicas=sum(pods.is_available(pod, owner.spec.minReadySeconds or 0, world.now) for pod in members),
        observedGeneration=owner.metadata.generation,
        conditions=_conditions(owner, members, world),
    )
    if owner.spec.template is not None:
        wanted = labels.match_labels(owner.spec.template.metadata.labels)
        status.fullyLabeledReplicas = sum(wanted.matches(pod.metadata.labels) for pod in members)
    changed = codec.clone(owner)
    changed.status = status
    return changed


def _conditions(owner: Any, members: Sequence[Pod], world: World) -> list[Any]:
    others = [condition for condition in owner.status.conditions if condition.type != "ReplicaFailure"]
    if world.failure is None:
        return others
    known = find_condition(owner.status.conditions, "ReplicaFailure")
    if known is not None:
        return [*others, known]
    reason = "FailedCreate" if len(members) < _replicas(owner) else "FailedDelete"
    kind = status_condition_of(owner)
    failed = kind(type="ReplicaFailure", status="True", reason=reason, message=world.failure.message, lastTransitionTime=world.now_text)
    return [*others, failed]


def status_condition_of(owner: Any) -> type[Any]:
    """The class of the conditions in its status."""
    return {"ReplicaSet": ReplicaSetCondition, "ReplicationController": ReplicationControllerCondition}[owner.kind]


def _when_available(owner: Any, members: Sequence[Pod], world: World) -> Iterator[Action]:
    """Plan again when the next ready Pod has been so for minReadySeconds: no event tells of that."""
    minimum = owner.spec.minReadySeconds or 0
    waits = [seconds for pod in members if (seconds := pods.seconds_to_available(pod, minimum, world.now))]
    if waits:
        yield RequeueAfter(min(waits))


def _replicas(owner: Any) -> int:
    asked: int | None = owner.spec.replicas
    return 1 if asked is None else asked
