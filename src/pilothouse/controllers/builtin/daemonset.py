"""DaemonSet: one Pod on every node that suits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pilothouse.api.core.tolerations import tolerations_tolerate_taint
from pilothouse.api.types.apps_v1 import ControllerRevision, DaemonSet, DaemonSetStatus
from pilothouse.api.types.core_v1 import (
    Affinity,
    Node,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PodSpec,
    Toleration,
)
from pilothouse.client.events import NORMAL, WARNING
from pilothouse.client.store import Key
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, Create, Delete, Emit, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.controller import CREATE, DELETE, GET, PATCH, READ, UPDATE, Controller, Owned, Related, Rule
from pilothouse.controllers.framework.owners import claim
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.histories import HASH_LABEL, History, clean_up, history
from pilothouse.controllers.nodes import affinity
from pilothouse.machinery import codec, intorstring, labels

GENERATION_LABEL = "pod-template-generation"
DEPRECATED_GENERATION = "deprecated.daemonset.template.generation"
BURST_LIMIT = 250
FIRST_FAILURE_SECONDS, LONGEST_FAILURE_SECONDS = 1.0, 900.0
"""The pause after a Pod that failed was replaced before another of that node is, doubled each time."""
TOLERATIONS = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)
"""What every daemon tolerates, by node.kubernetes.io/ key and effect."""


def _all(node: Node, world: World) -> Iterator[Key]:
    for daemonset in world.list(DaemonSet):
        yield daemonset.metadata.namespace, daemonset.metadata.name


def _matters(old: Node, new: Node) -> bool:
    return old.metadata.labels != new.metadata.labels or old.spec != new.spec


@dataclass(slots=True)
class _Placement:
    """A DaemonSet's Pods and nodes."""

    by_node: dict[str, list[Pod]] = field(default_factory=dict)
    nodes: set[str] = field(default_factory=set)
    should_run: set[str] = field(default_factory=set)
    may_stay: set[str] = field(default_factory=set)


class DaemonSetController(Controller):
    """Runs one Pod of each DaemonSet on every node that its selector, affinity and tolerations admit.

    - The Pods are bound by the scheduler, each tied to its node by affinity; they tolerate what befalls nodes.
    - A new template replaces them within maxUnavailable (or maxSurge); OnDelete leaves that to whoever deletes them.
    """

    name = "daemonset"
    account = "daemon-set-controller"
    reconciles = DaemonSet
    watches = (
        Owned(Pod, selector=lambda daemons: labels.from_label_selector(daemons.spec.selector)),
        Owned(ControllerRevision),
        Related(Node, _all, _matters),
    )
    rules = (
        Rule("apps", ("daemonsets",), READ + GET),
        Rule("apps", ("daemonsets/status", "daemonsets/finalizers"), UPDATE),
        Rule("apps", ("controllerrevisions",), READ + CREATE + UPDATE + PATCH + DELETE),
        Rule("", ("pods",), READ + CREATE + PATCH + DELETE),
        Rule("", ("nodes",), READ),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, daemons: DaemonSet, world: World) -> Iterator[Action]:
        """Create and delete daemon Pods so that each suitable node has one of the right revision, then write the status."""
        selector = labels.from_label_selector(daemons.spec.selector)
        if selector.everything:
            yield Emit(daemons, WARNING, "SelectingAll", "This daemon set is selecting all pods. A non-empty selector is required.")
            return
        if daemons.metadata.deletionTimestamp:
            return
        claimed = claim(daemons, world.claimable(daemons, Pod, selector), selector)
        revisions = history(daemons, world)
        yield from (*claimed.actions, *revisions.actions)
        placement = _place(daemons, claimed.members, world)
        changes = [*_manage(daemons, placement, revisions, world)]
        if not any(isinstance(change, (Create, Delete)) for change in changes):
            changes += _update(daemons, placement, revisions, world)
        yield from changes
        yield from clean_up(revisions, {_hash(pod) for pod in claimed.members}, daemons.spec.revisionHistoryLimit, counting_used=True)
        yield UpdateStatus(_with_status(daemons, placement, revisions, world))
        waits = [pods.seconds_to_available(pod, daemons.spec.minReadySeconds or 0, world.now) for pod in claimed.members]
        yield from (RequeueAfter(seconds) for seconds in waits if seconds)


def _hash(pod: Pod) -> str:
    return pod.metadata.labels.get(HASH_LABEL, "")


def _place(daemons: DaemonSet, members: Sequence[Pod], world: World) -> _Placement:
    placement = _Placement()
    for pod in members:
        placement.by_node.setdefault(node_of(pod), []).append(pod)
    spec = codec.clone(daemons.spec.template.spec)
    spec.tolerations = _tolerations(spec)
    for node in world.list(Node):
        placement.nodes.add(node.metadata.name)
        if spec.nodeName not in ("", node.metadata.name) or not affinity.suits(spec, node):
            continue
        bad = [taint for taint in node.spec.taints if not tolerations_tolerate_taint(spec.tolerations, taint)]
        if not any(taint.effect in ("NoSchedule", "NoExecute") for taint in bad):
            placement.should_run.add(node.metadata.name)
        if not any(taint.effect == "NoExecute" for taint in bad):
            placement.may_stay.add(node.metadata.name)
    return placement


def node_of(pod: Pod) -> str:
    """The node that it is on, or is tied to."""
    if pod.spec.nodeName or not pod.spec.affinity or not pod.spec.affinity.nodeAffinity:
        return pod.spec.nodeName
    required = pod.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
    for term in (required.nodeSelectorTerms or ()) if required else ():
        for requirement in term.matchFields:
            if requirement.key == "metadata.name" and requirement.operator == "In" and requirement.values:
                return requirement.values[0]
    return ""


def _manage(daemons: DaemonSet, placement: _Placement, revisions: History, world: World) -> Iterator[Action]:
    """One Pod where there should be one, none where there should not; failed ones make way."""
    creates = []
    for name in sorted(placement.may_stay):
        here = placement.by_node.get(name, [])
        standing = [pod for pod in here if not pod.metadata.deletionTimestamp]
        live = [pod for pod in standing if not pods.is_finished(pod)]
        yield from _replace_failed(daemons, name, [pod for pod in standing if pod.status.phase == "Failed"], world)
        yield from _replace_succeeded(daemons, name, [pod for pod in standing if pod.status.phase == "Succeeded"])
        # With maxSurge the next Pod need not wait until the last one is gone.
        if name in placement.should_run and (not here or (_surges(daemons) and not live)):
            creates.append(name)
        if len(live) > 1:
            yield from _end_surge(daemons, live, revisions, world) if _surges(daemons) else _keep_one(daemons, live)
    for name, here in sorted(placement.by_node.items()):
        if name and name not in placement.may_stay:
            # Where the node itself is gone, what ran on it is the garbage collector's; what never got there is ours.
            gone = world.get(Node, "", name) is None
            yield from (_delete(daemons, pod) for pod in here if not pod.metadata.deletionTimestamp and not (gone and pod.spec.nodeName))
    yield from (Create(_pod(daemons, name, revisions), owner=daemons, announce=pods.POD_EVENTS) for name in creates[:BURST_LIMIT])


def _keep_one(daemons: DaemonSet, live: Sequence[Pod]) -> Iterator[Action]:
    yield from (_delete(daemons, pod) for pod in sorted(live, key=_assigned_first)[1:])


def _replace_failed(daemons: DaemonSet, node: str, failed: Sequence[Pod], world: World) -> Iterator[Action]:
    """At once, then each time after twice as long a pause: a kubelet that rejects the Pod would otherwise be asked without end."""
    pauses: dict[str, tuple[float, datetime]] = world.memory.setdefault("pauses", {})
    for pod in failed:
        pause, since = pauses.get(node, (0.0, world.steady))
        waited = (world.steady - since).total_seconds()
        if waited < pause:
            yield RequeueAfter(pause - waited)
            continue
        forgotten = waited > 2 * LONGEST_FAILURE_SECONDS
        pauses[node] = (FIRST_FAILURE_SECONDS if forgotten or not pause else min(pause * 2, LONGEST_FAILURE_SECONDS), world.steady)
        message = f"Found failed daemon pod {pod.metadata.namespace}/{pod.metadata.name} on node {node}, will try to kill it"
        yield Emit(daemons, WARNING, "FailedDaemonPod", message)
        yield _delete(daemons, pod)


def _replace_succeeded(daemons: DaemonSet, node: str, succeeded: Sequence[Pod]) -> Iterator[Action]:
    """A daemon never ends by itself: what has was stopped from outside, as by a node that shut down."""
    for pod in succeeded:
        message = f"Found succeeded daemon pod {pod.metadata.namespace}/{pod.metadata.name} on node {node}, will try to delete it"
        yield Emit(daemons, NORMAL, "SucceededDaemonPod", message)
        yield _delete(daemons, pod)


def _end_surge(daemons: DaemonSet, live: Sequence[Pod], revisions: History, world: World) -> Iterator[Action]:
    """Of an old Pod and its replacement the old one goes when the new one is available, or when it is not ready itself. One of each
    is enough: the template may have changed again while an earlier one was rolled out."""
    old, new = _by_revision(sorted(live, key=_assigned_first), revisions)
    yield from (_delete(daemons, pod) for pod in (*old[1:], *new[1:]))
    if old and new and (not pods.is_ready(old[0]) or pods.is_available(new[0], daemons.spec.minReadySeconds or 0, world.now)):
        yield _delete(daemons, old[0])


def _by_revision(live: Sequence[Pod], revisions: History) -> tuple[list[Pod], list[Pod]]:
    """Those of older templates, and those of the present one."""
    return [pod for pod in live if _hash(pod) != revisions.hash], [pod for pod in live if _hash(pod) == revisions.hash]


def _update(daemons: DaemonSet, placement: _Placement, revisions: History, world: World) -> Iterator[Action]:
    """Replace Pods of older templates, as many as may be unavailable (or surge) at once; one that serves nobody costs nothing."""
    if daemons.spec.updateStrategy.type == "OnDelete":
        return
    minimum = daemons.spec.minReadySeconds or 0
    idle: list[Pod] = []
    serving: list[Pod] = []
    busy = surging = 0
    for name in sorted(placement.should_run):
        live = [pod for pod in placement.by_node.get(name, []) if not pod.metadata.deletionTimestamp]
        old, new = _by_revision(live, revisions)
        available = any(pods.is_available(pod, minimum, world.now) for pod in live)
        surging += len(live) > 1
        busy += not available
        if len(old) == 1 and not new:
            (serving if available else idle).append(old[0])
    if _surges(daemons):
        chosen = [*idle, *serving[: max(0, _surge(daemons, len(placement.should_run)) - surging)]]
        yield from (Create(_pod(daemons, node_of(node_name), revisions), owner=daemons, announce=pods.POD_EVENTS) for node_name in chosen)
    else:
        chosen = [*idle, *serving[: max(0, _unavailable(daemons, len(placement.should_run)) - busy)]]
        yield from (_delete(daemons, pod) for pod in chosen)


def _surges(daemons: DaemonSet) -> bool:
    return _surge(daemons, 1) > 0


def _surge(daemons: DaemonSet, nodes: int) -> int:
    rolling = daemons.spec.updateStrategy.rollingUpdate
    return intorstring.scaled(rolling.maxSurge or 0, nodes, True) if rolling else 0


def _unavailable(daemons: DaemonSet, nodes: int) -> int:
    rolling = daemons.spec.updateStrategy.rollingUpdate
    limit = 1 if rolling is None or rolling.maxUnavailable is None else rolling.maxUnavailable
    allowed = intorstring.scaled(limit, nodes, True)
    return allowed if allowed or _surge(daemons, nodes) else 1


def _delete(daemons: DaemonSet, pod: Pod) -> Delete:
    return Delete(pod, owner=daemons, announce=pods.POD_DELETE_EVENTS)


def _age(pod: Pod) -> tuple[str, str]:
    return pod.metadata.creationTimestamp, pod.metadata.name


def _assigned_first(pod: Pod) -> tuple[bool, str, str]:
    return not pod.spec.nodeName, *_age(pod)


def _pod(daemons: DaemonSet, node: str, revisions: History) -> Pod:
    """A Pod of the present template, tied to the node."""
    pod = pods.pod_from_template(daemons.spec.template, daemons.metadata.namespace, daemons.metadata.name)
    generation = daemons.metadata.annotations.get(DEPRECATED_GENERATION, "")
    pod.metadata.labels |= {HASH_LABEL: revisions.hash} | ({GENERATION_LABEL: generation} if generation else {})
    pod.spec.tolerations = _tolerations(pod.spec)
    pod.spec.affinity = pod.spec.affinity or Affinity()
    pod.spec.affinity.nodeAffinity = pod.spec.affinity.nodeAffinity or NodeAffinity()
    tie = NodeSelectorTerm(matchFields=[NodeSelectorRequirement(key="metadata.name", operator="In", values=[node])])
    # Upstream puts the tie in the place of all terms: the node has been found suitable already.
    pod.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution = NodeSelector(nodeSelectorTerms=[tie])
    return pod


def _tolerations(spec: PodSpec) -> list[Toleration]:
    added = [*TOLERATIONS, *([("network-unavailable", "NoSchedule")] if spec.hostNetwork else [])]
    tolerations = [*spec.tolerations]
    for name, effect in added:
        toleration = Toleration(key=f"node.kubernetes.io/{name}", operator="Exists", effect=effect)
        if toleration not in tolerations:
            tolerations.append(toleration)
    return tolerations


def _with_status(daemons: DaemonSet, placement: _Placement, revisions: History, world: World) -> DaemonSet:
    minimum = daemons.spec.minReadySeconds or 0
    status = DaemonSetStatus(
        desiredNumberScheduled=len(placement.should_run),
        observedGeneration=daemons.metadata.generation,
        collisionCount=revisions.collisions,
        conditions=daemons.status.conditions,
    )
    for name, here in placement.by_node.items():
        if name not in placement.should_run:
            status.numberMisscheduled += name in placement.nodes
            continue
        oldest = min(here, key=_assigned_first)  # as upstream: what surges, or comes after one that goes, counts when it is alone
        status.currentNumberScheduled += 1
        status.numberReady += pods.is_ready(oldest)
        status.numberAvailable += pods.is_available(oldest, minimum, world.now)
        status.updatedNumberScheduled += _hash(oldest) == revisions.hash
    status.numberUnavailable = status.desiredNumberScheduled - status.numberAvailable
    changed = codec.clone(daemons)
    changed.status = status
    return changed
