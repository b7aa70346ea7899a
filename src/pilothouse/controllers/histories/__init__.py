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
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec, labels
from pilothouse.machinery.meta_v1 import ObjectMeta

HASH_LABEL = "controller-revision-hash"


@dataclass(slots=True)
class History:
    """The revision of the present template, all others by age, and what has to be done to have it so."""

    current: ControllerRevision
    older: list[ControllerRevision]
    actions: list[Action] = field(default_factory=list)

    @property
    def hash(self) -> str:
        return self.current.metadata.labels[HASH_LABEL]


def history(owner: Any, world: World) -> History:
    """The revisions of a DaemonSet or StatefulSet."""
    selector = labels.from_label_selector(owner.spec.selector)
    known = sorted(
        (one for one in world.owned(owner, ControllerRevision) if selector.matches(one.metadata.labels)),
        key=lambda one: (one.revision, one.metadata.creationTimestamp, one.metadata.name),
    )
    wanted = _made(owner, known[-1].revision + 1 if known else 1)
    same = next((one for one in reversed(known) if one.data == wanted.data), None)
    if same is None:
        return History(wanted, known, [Create(wanted, owner=owner, if_absent=True)])
    others = [one for one in known if one is not same]
    if same.revision == known[-1].revision:
        return History(same, others)
    renewed = codec.clone(same)
    renewed.revision = wanted.revision
    return History(renewed, others, [Update(renewed)])


def _made(owner: Any, number: int) -> ControllerRevision:
    template: PodTemplateSpec = owner.spec.template
    digest = template_hash(template, owner.status.collisionCount)
    meta = ObjectMeta(
        name=f"{owner.metadata.name}-{digest}",
        namespace=owner.metadata.namespace,
        labels=dict(template.metadata.labels) | {HASH_LABEL: digest},
    )
    data = {"spec": {"template": {**codec.to_dict(template), "$patch": "replace"}}}
    return ControllerRevision(metadata=meta, data=data, revision=number)


def clean_up(found: History, used: Collection[str], limit: int | None) -> Sequence[Action]:
    """Forget the oldest revisions that no Pod has and that are more than the limit."""
    idle = [one for one in found.older if one.metadata.labels.get(HASH_LABEL) not in used]
    return [Delete(one) for one in idle[: max(0, len(idle) - (10 if limit is None else limit))]]
