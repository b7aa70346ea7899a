"""Rollout of a Deployment: decides the next change of its ReplicaSets.

A `Rollout` works on copies and collects what changed; `actions()` says it in the order: ReplicaSets, events, status, revision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pilothouse.api.types.apps_v1 import Deployment, DeploymentStatus, ReplicaSet
from pilothouse.api.types.core_v1 import Pod
from pilothouse.client.events import NORMAL
from pilothouse.controllers import pods
from pilothouse.controllers.deployments import revisions, sizes, status
from pilothouse.controllers.framework.actions import (
    Action,
    Announce,
    Create,
    Delete,
    Emit,
    RequeueAfter,
    Update,
    UpdateStatus,
)
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec

NO_HISTORY_LIMIT = 2**31 - 1


class Rollout:
    """Next step of one Deployment: scales its ReplicaSets and computes its status. Upstream: pkg/controller/deployment."""

    def __init__(self, deployment: Deployment, members: Sequence[ReplicaSet], world: World) -> None:
        self.deployment = codec.clone(deployment)
        self.world = world
        self.new = revisions.find_new(deployment, members)
        self.old = sorted((member for member in members if member is not self.new), key=revisions.by_creation)
        self._sized: dict[str, ReplicaSet] = {}
        self._actions: list[Action] = []
        self._revision = ""

    def plan(self) -> list[Action]:
        """The next step."""
        self._note_pause()
        if self.deployment.metadata.deletionTimestamp:
            return self._finished(self._counted())
        if self.deployment.spec.paused or sizes.is_scaling(self.deployment, self._everything):
            return self._resize()
        if sizes.is_rolling(self.deployment):
            return self._roll()
        return self._recreate()

    @property
    def _everything(self) -> list[ReplicaSet]:
        return [*self.old, *([self.new] if self.new else [])]

    # The three ways.

    def _roll(self) -> list[Action]:
        if self.new is None:
            return self._create_new()
        self._mark_new()
        if not self._grow(self.new) and not self._shrink_old(self.new):
            self._clean_up_if_complete()
        return self._finished(self._rolled())

    def _recreate(self) -> list[Action]:
        if self.new is not None:
            self._mark_new()
        active = [replicaset for replicaset in self.old if sizes.wanted(replicaset) > 0]
        for replicaset in active:
            self._resize_one(replicaset, 0)
        if active or self._old_pods_run():
            return self._finished(self._rolled())
        if self.new is None:
            return self._create_new()
        self._resize_one(self.new, sizes.wanted(self.deployment))
        self._clean_up_if_complete()
        return self._finished(self._rolled())

    def _resize(self) -> list[Action]:
        """Paused, or scaled: sizes change, no new template is rolled out."""
        if self.new is not None:
            self._mark_new()
        only = sizes.active_or_latest(self.new, self.old)
        active = [replicaset for replicaset in self._everything if sizes.wanted(replicaset) > 0]
        if only is not None:
            self._resize_one(only, sizes.wanted(self.deployment), annotate=True)
        elif sizes.is_saturated(self.deployment, self.new):
            for replicaset in self.old:
                self._resize_one(replicaset, 0)
        elif sizes.is_rolling(self.deployment):
            for replicaset, size in sizes.proportional(self.deployment, active):
                self._resize_one(replicaset, size, annotate=True)
        if self.deployment.spec.paused:
            self._clean_up()
        return self._finished(self._counted())

    # Their steps.

    def _note_pause(self) -> None:
        """Paused and resumed are told as Progressing=Unknown, unless a timeout is told already."""
        d = self.deployment
        current = status.condition(d.status, status.PROGRESSING)
        if not status.has_deadline(d) or (current is not None and current.reason == status.TIMED_OUT):
            return
        told = current is not None and current.reason == status.PAUSED
        if d.spec.paused and not told:
            self._progress("Unknown", status.PAUSED, "Deployment is paused")
        elif told and not d.spec.paused:
            self._progress("Unknown", status.RESUMED, "Deployment is resumed")

    def _create_new(self) -> list[Action]:
        d = self.deployment
        made = revisions.new_replicaset(d, self.old)
        if self.world.get(ReplicaSet, made.metadata.namespace, made.metadata.name) is not None:
            # Another template has this hash: the next plan hashes with this count.
            d.status.collisionCount = (d.status.collisionCount or 0) + 1
            return [UpdateStatus(d)]
        name = made.metadata.name
        if self.world.failure is not None:
            self._progress("False", status.CREATE_FAILED, f'Failed to create new replica set "{name}": {self.world.failure.message}')
            return [UpdateStatus(d)]
        failed = (status.CREATE_FAILED, 'Failed to create new replica set "{name}": {error}')
        grown = ("ScalingReplicaSet", f"Scaled up replica set {{name}} from 0 to {made.spec.replicas}") if made.spec.replicas else ("", "")
        self._actions.append(Create(made, owner=d, announce=Announce(*grown, *failed)))
        self._progress("True", status.CREATED, f'Created new replica set "{name}"')
        self._revision = made.metadata.annotations[revisions.REVISION]
        return self._finished(self._rolled())

    def _mark_new(self) -> None:
        """Give the new ReplicaSet its revision, the Deployment's annotations and minReadySeconds."""
        assert self.new is not None
        d = self.deployment
        annotations = revisions.annotations_of_new(d, self.new, revisions.next_revision(self.old))
        if annotations != self.new.metadata.annotations or (self.new.spec.minReadySeconds or 0) != (d.spec.minReadySeconds or 0):
            copied = self._copy(self.new)
            copied.metadata.annotations = annotations
            copied.spec.minReadySeconds = d.spec.minReadySeconds
        self._revision = annotations.get(revisions.REVISION, "")
        if status.condition(d.status, status.PROGRESSING) is None:
            self._progress("True", status.FOUND, f'Found new replica set "{self.new.metadata.name}"')

    def _grow(self, new: ReplicaSet) -> bool:
        """Bring the new ReplicaSet closer to its full size (or down to it)."""
        if sizes.wanted(new) > sizes.wanted(self.deployment):
            return self._resize_one(new, sizes.wanted(self.deployment))
        return self._resize_one(new, sizes.new_size(self.deployment, self._everything, new))

    def _shrink_old(self, new: ReplicaSet) -> bool:
        active = [replicaset for replicaset in self.old if sizes.wanted(replicaset) > 0]
        steps = sizes.shrink_old(self.deployment, new, active)
        for replicaset, size in steps:
            self._resize_one(replicaset, size)
        return bool(steps)

    def _old_pods_run(self) -> bool:
        if any(replicaset.status.replicas > 0 for replicaset in self.old):
            return True
        return any(not pods.is_finished(pod) for replicaset in self.old for pod in self.world.owned(replicaset, Pod))

    def _clean_up_if_complete(self) -> None:
        if status.is_complete(self.deployment, self.deployment.status):
            self._clean_up()

    def _clean_up(self) -> None:
        """Forget the oldest revisions that are more than revisionHistoryLimit."""
        limit = self.deployment.spec.revisionHistoryLimit
        if limit is None or limit == NO_HISTORY_LIMIT:
            return
        alive = sorted((replicaset for replicaset in self.old if not replicaset.metadata.deletionTimestamp), key=revisions.revision)
        for replicaset in alive[: max(0, len(alive) - limit)]:
            seen = replicaset.metadata.generation <= replicaset.status.observedGeneration
            if replicaset.status.replicas == 0 and sizes.wanted(replicaset) == 0 and seen:
                self._actions.append(Delete(replicaset))

    # What was changed, and how it is said.

    def _copy(self, replicaset: ReplicaSet) -> ReplicaSet:
        name = replicaset.metadata.name
        if name not in self._sized:
            self._sized[name] = codec.clone(replicaset)
        return self._sized[name]

    def _resize_one(self, replicaset: ReplicaSet, size: int, *, annotate: bool = False) -> bool:
        """Give a ReplicaSet a size; `annotate`: note the Deployment's size also where its own stays."""
        now = sizes.wanted(self._sized.get(replicaset.metadata.name, replicaset))
        if now == size and not annotate:
            return False
        copied = codec.clone(self._sized.get(replicaset.metadata.name, replicaset))
        noted = sizes.annotate(copied, self.deployment)
        copied.spec.replicas = size
        if now != size or noted:
            self._sized[replicaset.metadata.name] = copied
        if now != size:
            way = "up" if size > now else "down"
            text = f"Scaled {way} replica set {replicaset.metadata.name} from {now} to {size}"
            self._actions.append(Emit(self.deployment, NORMAL, "ScalingReplicaSet", text))
        return now != size

    def _progress(self, value: str, reason: str, message: str) -> None:
        if status.has_deadline(self.deployment):
            status.put(self.deployment.status, status.made(status.PROGRESSING, value, reason, message, self.world.now_text))

    def _counted(self) -> DeploymentStatus:
        return status.counted(self.deployment, self._everything, self.new, self.world.now_text)

    def _rolled(self) -> DeploymentStatus:
        return status.of_rollout(self.deployment, self._counted(), self._everything, self.new, self.world.now)

    def _finished(self, new_status: DeploymentStatus) -> list[Action]:
        return [*(Update(replicaset) for replicaset in self._sized.values()), *self._actions, *self._told(new_status)]

    def _told(self, new_status: DeploymentStatus) -> Iterator[Action]:
        d = codec.clone(self.deployment)
        d.status = new_status
        if self._revision and d.metadata.annotations.get(revisions.REVISION) != self._revision:
            d.metadata.annotations[revisions.REVISION] = self._revision
            yield Update(d, "status")  # as upstream: the right to write the status is enough
        else:
            yield UpdateStatus(d)
        current = status.condition(new_status, status.PROGRESSING)
        stuck = current is not None and current.reason not in (status.TIMED_OUT, status.NEW_AVAILABLE)
        if current is not None and stuck and status.has_deadline(d) and not status.is_complete(d, new_status):
            yield RequeueAfter(max(0.0, status.seconds_left(d, current, self.world.now)) + 1)
