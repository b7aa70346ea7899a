"""ControllerRevisions: the templates that a DaemonSet or StatefulSet had, numbered, for `kubectl rollout history` and `undo`.

- A revision's data is a patch that puts its template back; equal templates share one revision, which gets the newest number.
- The current revision is the one with the highest number.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.api.types.apps_v1 import ControllerRevision
from pilothouse.api.types.core_v1 import PodTemplateSpec
from pilothouse.controllers.deployments.revisions import template_hash
from pilothouse.controllers.framework.actions import Action, Create, Delete, Update
from pilothouse.controllers.framework.owners import claim
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec, labels
from pilothouse.machinery.meta_v1 import ObjectMeta

HASH_LABEL = "controller-revision-hash"


NAME_LIMIT = 223
"""Characters of the owner's name that a revision's own begins with."""


@dataclass(slots=True)
class History:
    """The revision of the present template, all others by age, and what has to be done to have it so."""

    current: ControllerRevision
    older: list[ControllerRevision]
    actions: list[Action] = field(default_factory=list)
    collisions: int = 0
    """For the owner's status: how often the hash of a template was another's."""

    @property
    def hash(self) -> str:
        return self.current.metadata.labels[HASH_LABEL]


def history(owner: Any, world: World, label: str = HASH_LABEL) -> History:
    """The revisions of a DaemonSet or StatefulSet; orphans among them (of an owner that was deleted alone) are adopted."""
    selector = labels.from_label_selector(owner.spec.selector)
    claimed = claim(owner, world.claimable(owner, ControllerRevision, selector), selector)
    known = sorted(claimed.members, key=lambda one: (one.revision, one.metadata.creationTimestamp, one.metadata.name))
    data = _data(owner)
    collisions: int = owner.status.collisionCount or 0
    same = next((one for one in reversed(known) if one.data == data), None)
    number = known[-1].revision + 1 if known else 1
    if same is None:
        while world.get(ControllerRevision, owner.metadata.namespace, _name(owner, collisions)) is not None:
            collisions += 1
        wanted = _made(owner, data, number, collisions, label)
        return History(wanted, known, [*claimed.actions, Create(wanted, owner=owner, if_absent=True)], collisions)
    others = [one for one in known if one is not same]
    if same.revision == known[-1].revision:
        return History(same, others, claimed.actions, collisions)
    renewed = codec.clone(same)
    renewed.revision = number
    return History(renewed, others, [*claimed.actions, Update(renewed)], collisions)


def _data(owner: Any) -> dict[str, Any]:
    return {"spec": {"template": {**codec.to_dict(owner.spec.template), "$patch": "replace"}}}


def _name(owner: Any, collisions: int) -> str:
    return f"{owner.metadata.name[:NAME_LIMIT]}-{template_hash(owner.spec.template, collisions)}"


def _made(owner: Any, data: dict[str, Any], number: int, collisions: int, label: str) -> ControllerRevision:
    """It bears the owner's annotations, so that `kubectl rollout history` can tell the cause of the change."""
    template: PodTemplateSpec = owner.spec.template
    meta = ObjectMeta(
        name=_name(owner, collisions),
        namespace=owner.metadata.namespace,
        labels=dict(template.metadata.labels) | {label: template_hash(template, collisions)},
        annotations=dict(owner.metadata.annotations),
    )
    return ControllerRevision(metadata=meta, data=data, revision=number)


def clean_up(found: History, used: Collection[str], limit: int | None, *, counting_used: bool = False) -> Sequence[Action]:
    """Forget the oldest revisions that are more than the limit; never one that is `used`, by its name or hash. `counting_used`: those
    count toward the limit, as upstream has it for DaemonSets and not for StatefulSets."""
    idle = [one for one in found.older if not {one.metadata.name, one.metadata.labels.get(HASH_LABEL)} & {*used}]
    surplus = len(found.older if counting_used else idle) - (10 if limit is None else limit)
    return [Delete(one) for one in idle[: max(0, surplus)]]
