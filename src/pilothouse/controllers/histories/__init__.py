"""ControllerRevisions: the templates that a DaemonSet or StatefulSet had, numbered, for `kubectl rollout history` and `undo`.

- A revision's data is a patch that puts its template back, in the bytes that upstream writes (kubectl compares them); equal templates share
  one revision, which gets the newest number.
- The current revision is the one with the highest number.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.api.types.apps_v1 import ControllerRevision
from pilothouse.api.types.core_v1 import PodTemplateSpec
from pilothouse.controllers.deployments.revisions import fnv1, safe_encoded, template_hash
from pilothouse.controllers.framework.actions import Action, Create, Delete, Update
from pilothouse.controllers.framework.owners import claim
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec, labels, rawextension
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.struct import RawExtension

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
        """The hash label of the current revision."""
        return self.current.metadata.labels[HASH_LABEL]


def history(owner: Any, world: World, label: str = HASH_LABEL) -> History:
    """The revisions of a DaemonSet or StatefulSet; orphans among them (of an owner that was deleted alone) are adopted."""
    selector = labels.from_label_selector(owner.spec.selector)
    claimed = claim(owner, world.claimable(owner, ControllerRevision, selector), selector)
    known = sorted(claimed.members, key=lambda revision: (revision.revision, revision.metadata.creationTimestamp, revision.metadata.name))
    data = _data(owner)
    collisions: int = owner.status.collisionCount or 0
    same = _with_data(known, data)
    number = known[-1].revision + 1 if known else 1
    if same is None:
        while world.get(ControllerRevision, owner.metadata.namespace, _name(owner, digest(owner, data, collisions))) is not None:
            collisions += 1
        wanted = _made(owner, data, number, digest(owner, data, collisions), label)
        return History(wanted, known, [*claimed.actions, Create(wanted, owner=owner, if_absent=True)], collisions)
    others = [revision for revision in known if revision is not same]
    if same.revision == known[-1].revision:
        return History(same, others, claimed.actions, collisions)
    renewed = codec.clone(same)
    renewed.revision = number
    return History(renewed, others, [*claimed.actions, Update(renewed)], collisions)


def template_of(revision: ControllerRevision) -> dict[str, Any]:
    """The Pod template that a revision's patch would put back."""
    template: dict[str, Any] = rawextension.value_of(revision.data)["spec"]["template"]
    return template


def _with_data(known: Sequence[ControllerRevision], data: RawExtension) -> ControllerRevision | None:
    """The newest revision of these bytes, else of this value: older versions of this project did not sort the keys."""
    same = next((revision for revision in reversed(known) if revision.data == data), None)
    if same is None:
        same = next((revision for revision in reversed(known) if rawextension.of_value(rawextension.value_of(revision.data)) == data), None)
    return same


def _data(owner: Any) -> RawExtension:
    return rawextension.of_value({"spec": {"template": {**codec.to_dict(owner.spec.template), "$patch": "replace"}}})


def digest(owner: Any, data: RawExtension, collisions: int) -> str:
    """The hash in a revision's name: of a StatefulSet's its data's as upstream computes it. (For DaemonSets upstream hashes a Go dump
    of the template.)"""
    if owner.kind == "DaemonSet":
        return template_hash(owner.spec.template, collisions)
    return safe_encoded(fnv1(bytes(data) + str(collisions).encode()))


def _name(owner: Any, hashed: str) -> str:
    return f"{owner.metadata.name[:NAME_LIMIT]}-{hashed}"


def _made(owner: Any, data: RawExtension, number: int, hashed: str, label: str) -> ControllerRevision:
    """It bears the owner's annotations, so that `kubectl rollout history` can tell the cause of the change."""
    template: PodTemplateSpec = owner.spec.template
    meta = ObjectMeta(
        name=_name(owner, hashed),
        namespace=owner.metadata.namespace,
        labels=dict(template.metadata.labels) | {label: hashed},
        annotations=dict(owner.metadata.annotations),
    )
    return ControllerRevision(metadata=meta, data=data, revision=number)


def clean_up(history: History, used: Collection[str], limit: int | None, *, counting_used: bool = False) -> Sequence[Action]:
    """Forget the oldest revisions that are more than the limit; never one that is `used`, by its name or hash. `counting_used`: those
    count toward the limit, as upstream has it for DaemonSets and not for StatefulSets."""
    idle = [revision for revision in history.older if not {revision.metadata.name, revision.metadata.labels.get(HASH_LABEL)} & {*used}]
    surplus = len(history.older if counting_used else idle) - (10 if limit is None else limit)
    return [Delete(revision) for revision in idle[: max(0, surplus)]]
