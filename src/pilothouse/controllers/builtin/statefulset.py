"""StatefulSet controller: Pods with stable names and storage, created and deleted in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pilothouse.api.types.apps_v1 import ControllerRevision, StatefulSet, StatefulSetStatus
from pilothouse.api.types.core_v1 import PersistentVolumeClaim, Pod, PodTemplateSpec
from pilothouse.client.store import Key
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, Announce, Create, Delete, Patch, RequeueAfter, Update, UpdateStatus
from pilothouse.controllers.framework.controller import CREATE, DELETE, GET, PATCH, READ, UPDATE, Controller, Owned, Related, Rule
from pilothouse.controllers.framework.owners import claim
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.histories import History, clean_up, history, template_of
from pilothouse.controllers.statefulsets import claims
from pilothouse.machinery import codec, labels, strconv

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
REVISION = "controller-revision-hash"
"""Label of the Pods; for StatefulSets its value is the name of the revision, not its hash alone."""
REVISION_HASH = "controller.kubernetes.io/hash"
"""Label of the ControllerRevisions."""
NUMBERED = re.compile(r"(.*)-([0-9]+)")


@dataclass(slots=True)
class _Set:
    """A StatefulSet with its Pods by number, and its revisions."""

    spec: StatefulSet
    by_number: dict[int, Pod]
    revisions: History
    world: World
    leaving: set[str] = field(default_factory=set)
    """Names of the Pods that this plan deletes: the next one must not give them their old revision back."""

    @property
    def first(self) -> int:
        ordinals = self.spec.spec.ordinals
        return (ordinals.start or 0) if ordinals else 0

    @property
    def numbers(self) -> range:
        count = 1 if self.spec.spec.replicas is None else self.spec.spec.replicas
        return range(self.first, self.first + count)

    @property
    def in_order(self) -> bool:
        return self.spec.spec.podManagementPolicy != "Parallel"

    @property
    def update(self) -> str:
        return self.revisions.current.metadata.name

    @property
    def current(self) -> str:
        """The revision that Pods have before the update reaches them."""
        known = {revision.metadata.name for revision in (*self.revisions.older, self.revisions.current)}
        return self.spec.status.currentRevision if self.spec.status.currentRevision in known else self.update

    def condemned(self, number: int) -> bool:
        return number not in self.numbers

    def healthy(self, pod: Pod) -> bool:
        """It runs, has been ready for long enough, and is not on its way out."""
        ready = pods.is_available(pod, self.spec.spec.minReadySeconds or 0, self.world.now)
        return pod.status.phase == "Running" and ready and not pod.metadata.deletionTimestamp


def _set_of(claim: PersistentVolumeClaim, world: World) -> Iterator[Key]:
    """The set whose next Pod may wait for this claim's end."""
    match = NUMBERED.fullmatch(claim.metadata.name)
    if match is None:
        return
    for statefulset in world.list(StatefulSet, claim.metadata.namespace):
        if any(match[1] == f"{each.metadata.name}-{statefulset.metadata.name}" for each in statefulset.spec.volumeClaimTemplates):
            yield statefulset.metadata.namespace, statefulset.metadata.name


class StatefulSetController(Controller):
    """Keeps Pods name-0 to name-N, each with its own claims.

    - OrderedReady: one after the other, each only when all before it are healthy; removed from the end, which waits for what is not
      healthy, too. Parallel: all at once.
    - A new template is rolled out from the highest number down to the partition, one Pod at a time.
    """

    name = "statefulset"
    account = "statefulset-controller"
    reconciles = StatefulSet
    watches = (
        Owned(Pod, selector=lambda statefulset: labels.from_label_selector(statefulset.spec.selector)),
        Owned(ControllerRevision),
        Related(PersistentVolumeClaim, _set_of, lambda old, new: False),
    )
    rules = (
        Rule("apps", ("statefulsets",), READ + GET),
        Rule("apps", ("statefulsets/status", "statefulsets/finalizers"), UPDATE),
        Rule("apps", ("controllerrevisions",), READ + CREATE + UPDATE + PATCH + DELETE),
        Rule("", ("pods",), READ + CREATE + UPDATE + PATCH + DELETE),
        Rule("", ("persistentvolumeclaims",), READ + CREATE + UPDATE),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, statefulset: StatefulSet, world: World) -> Iterator[Action]:
        """Create, replace and delete Pods and claims in order, keep the revisions, and write the status."""
        selector = labels.from_label_selector(statefulset.spec.selector)
        claimed = claim(
            statefulset, world.claimable(statefulset, Pod, selector), selector, lambda pod: _number(statefulset, pod) is not None
        )
        revisions = history(statefulset, world, REVISION_HASH)
        yield from (*claimed.actions, *revisions.actions)
        by_number = {number: pod for pod in claimed.members if (number := _number(statefulset, pod)) is not None}
        state = _Set(statefulset, by_number, revisions, world)
        if not statefulset.metadata.deletionTimestamp:
            yield from _keep_identity(state)
            steps = [*_scale(state)] or [*_roll(state)]
            yield from steps
            state.leaving = {step.object.metadata.name for step in steps if isinstance(step, Delete)}
        used = {pod.metadata.labels.get(REVISION, "") for pod in claimed.members} | {state.current}
        yield from clean_up(revisions, used, statefulset.spec.revisionHistoryLimit)
        yield UpdateStatus(_with_status(state))
        waits = [pods.seconds_to_available(pod, statefulset.spec.minReadySeconds or 0, world.now) for pod in claimed.members]
        yield from (RequeueAfter(seconds) for seconds in waits if seconds)


def _number(statefulset: StatefulSet, pod: Pod) -> int | None:
    """The number in the Pod's name, when it is a name of this set."""
    match = NUMBERED.fullmatch(pod.metadata.name)
    return strconv.unsigned(match[2], strconv.INT32) if match is not None and match[1] == statefulset.metadata.name else None


def _keep_identity(state: _Set) -> Iterator[Action]:
    """Pods bear their names as labels; their claims are owned by what they are to go with."""
    for number, pod in sorted(state.by_number.items()):
        name = pod.metadata.name
        if not state.condemned(number) and pod.metadata.labels.get(POD_NAME) != name:
            yield Patch(pod, {"metadata": {"labels": {POD_NAME: name, POD_INDEX: str(number)}}})
        for pvc in claims.present(state.spec, number, state.world):
            changed = claims.reowned(state.spec, pvc, pod, condemned=state.condemned(number))
            if changed is not None:
                yield Update(changed)


def _scale(state: _Set) -> Iterator[Action]:
    """Create what is missing, remove what is too much; in order, one step at a time."""
    for number in state.numbers:
        pod = state.by_number.get(number)
        if pod is None:
            yield from _create(state, number)
        elif pods.is_finished(pod):
            if not pod.metadata.deletionTimestamp:
                yield _delete(state, pod)
        else:
            if pod.status.phase == "Pending":
                yield from _make_claims(state, number)
            if state.healthy(pod) or not state.in_order:
                continue
            yield RequeueAfter(600)  # waits for this one, also where another template would mend it; an event will tell before that
        if state.in_order:
            return
    yield from _scale_down(state)


def _scale_down(state: _Set) -> Iterator[Action]:
    """Remove what is too much, from the end. In order, a Pod that is not healthy has to become so first, but for the lowest of those."""
    surplus = sorted(filter(state.condemned, state.by_number), reverse=True)
    lowest_ill = next((number for number in reversed(surplus) if not state.healthy(state.by_number[number])), None)
    for number in surplus:
        pod = state.by_number[number]
        waits = state.in_order and number != lowest_ill and not state.healthy(pod)
        if pod.metadata.deletionTimestamp or waits:
            if state.in_order:
                yield RequeueAfter(600)  # an event will tell before that
        else:
            yield _delete(state, pod)
        if state.in_order:
            return


def _roll(state: _Set) -> Iterator[Action]:
    """Replace the highest Pod that has not the new template, when all above it are healthy."""
    strategy = state.spec.spec.updateStrategy
    if strategy.type == "OnDelete":
        return
    partition = (strategy.rollingUpdate.partition or 0) if strategy.rollingUpdate else 0
    for number in reversed(state.numbers):
        if number < state.first + partition:
            return
        pod = state.by_number.get(number)
        if pod is None or pod.metadata.deletionTimestamp:
            return
        if pod.metadata.labels.get(REVISION) != state.update:
            yield _delete(state, pod)
            return
        if not state.healthy(pod):
            return


def _revision_for(state: _Set, number: int) -> str:
    """The revision that a Pod of this number is to have now."""
    strategy = state.spec.spec.updateStrategy
    if strategy.type == "OnDelete":
        return state.update
    rolling = strategy.rollingUpdate
    kept = (state.spec.status.currentReplicas or 0) if rolling is None else (rolling.partition or 0)
    return state.current if number < state.first + kept else state.update


def _create(state: _Set, number: int) -> Iterator[Action]:
    pod = _pod(state, number)
    if any(claims.is_stale(pvc, pod.metadata.name) for pvc in claims.present(state.spec, number, state.world)):
        yield RequeueAfter(600)  # the end of the claim will tell before that
        return
    yield from _make_claims(state, number)
    set_name = state.spec.metadata.name
    announce = Announce(
        "SuccessfulCreate",
        f"create Pod {{name}} in StatefulSet {set_name} successful",
        "FailedCreate",
        f"create Pod {{name}} in StatefulSet {set_name} failed error: {{error}}",
    )
    yield Create(pod, owner=state.spec, announce=announce)


def _make_claims(state: _Set, number: int) -> Iterator[Action]:
    set_name = state.spec.metadata.name
    name = f"{set_name}-{number}"
    told = f"create Claim {{name}} Pod {name} in StatefulSet {set_name} success"
    failed = f"create Claim {{name}} for Pod {name} in StatefulSet {set_name} failed error: {{error}}"
    announce = Announce("SuccessfulCreate", told, "FailedCreate", failed)
    for made in claims.missing(state.spec, number, state.world):
        yield Create(made, announce=announce, about=state.spec, if_absent=True)


def _delete(state: _Set, pod: Pod) -> Delete:
    name = state.spec.metadata.name
    announce = Announce(
        "SuccessfulDelete",
        f"delete Pod {{name}} in StatefulSet {name} successful",
        "FailedDelete",
        f"delete Pod {{name}} in StatefulSet {name} failed error: {{error}}",
    )
    return Delete(pod, owner=state.spec, announce=announce)


def _template(state: _Set, revision: str) -> PodTemplateSpec:
    """The template of a revision, from what its patch would put back."""
    for older in state.revisions.older:
        if older.metadata.name == revision:
            kept = {name: value for name, value in template_of(older).items() if name != "$patch"}
            return codec.from_dict(kept, PodTemplateSpec)
    return state.spec.spec.template


def _pod(state: _Set, number: int) -> Pod:
    statefulset, revision = state.spec, _revision_for(state, number)
    pod = pods.pod_from_template(_template(state, revision), statefulset.metadata.namespace, statefulset.metadata.name)
    name = f"{statefulset.metadata.name}-{number}"
    pod.metadata.name, pod.metadata.generateName = name, ""
    pod.metadata.labels |= {POD_NAME: name, POD_INDEX: str(number), REVISION: revision}
    pod.spec.hostname, pod.spec.subdomain = name, statefulset.spec.serviceName
    own = {template.metadata.name for template in statefulset.spec.volumeClaimTemplates}
    pod.spec.volumes = [*claims.volumes(statefulset, number), *(volume for volume in pod.spec.volumes if volume.name not in own)]
    return pod


def _with_status(state: _Set) -> StatefulSet:
    statefulset, current, update = state.spec, state.current, state.update
    every = [*state.by_number.values()]
    standing = [pod for pod in every if not pod.metadata.deletionTimestamp and pod.metadata.name not in state.leaving]
    status = StatefulSetStatus(
        replicas=len(every),
        readyReplicas=sum(map(pods.is_ready, every)),
        availableReplicas=sum(pods.is_available(pod, statefulset.spec.minReadySeconds or 0, state.world.now) for pod in every),
        currentReplicas=_of_revision(standing, current),
        updatedReplicas=_of_revision(standing, update),
        currentRevision=current,
        updateRevision=update,
        observedGeneration=statefulset.metadata.generation,
        collisionCount=state.revisions.collisions,
        conditions=statefulset.status.conditions,
    )
    rolling = statefulset.spec.updateStrategy.type != "OnDelete"
    if rolling and status.updatedReplicas == status.replicas == status.readyReplicas == len(state.numbers):
        status.currentRevision, status.currentReplicas = update, status.updatedReplicas
    changed = codec.clone(statefulset)
    changed.status = status
    return changed


def _of_revision(members: Sequence[Pod], name: str) -> int:
    return sum(pod.metadata.labels.get(REVISION) == name for pod in members)
