"""Scheduler cache: informer events and assumed Pods, turned into changes of the node columns.

- A Pod counts on its node from the moment that we choose it (assumed) until it is gone or has finished.
- An assumption that the API does not confirm within `ASSUMED_SECONDS` of its binding is dropped when its node is next asked about.
- Tells the queue what happened, in the words of `Wake`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pilothouse.api.types.core_v1 import Node, Pod
from pilothouse.kit.clock import Clock
from pilothouse.scheduler.facts import PodFacts, facts_of, is_infeasible
from pilothouse.scheduler.snapshot import NodeColumns

ASSUMED_SECONDS = 30.0
FINISHED = ("Succeeded", "Failed")
Happened = Callable[[str, str, Any, Any], None]


@dataclass(slots=True)
class PodState:
    """A Pod on a node; `assumed` as long as the API has not shown it there."""

    node: str
    facts: PodFacts
    assumed: bool = False


class ClusterState:
    """Scheduler cache: nodes and the Pods on them, assumed ones too. `nodes` is the snapshot that scheduling reads."""

    def __init__(self, clock: Clock, happened: Happened) -> None:
        self.nodes = NodeColumns()
        self._clock = clock
        self._happened = happened
        self._placed: dict[str, PodState] = {}
        self._unconfirmed: dict[str, float] = {}
        """When assumptions whose binding has ended expire, by UID, the soonest first."""

    # Nodes

    def node_event(self, old: Node | None, new: Node | None) -> None:
        """A node came, changed or went; heartbeats cost a comparison and nothing else."""
        if new is None:
            assert old is not None
            self.nodes.remove_node(old.metadata.name)
            self._happened("Node", "Delete", old, None)
            return
        if old is None:
            self.nodes.set_node(new)
            self._happened("Node", "Add", None, new)
            return
        changes = node_changes(old, new)
        if changes or old.status.images != new.status.images:
            self.nodes.set_node(new)
        for change in changes:
            self._happened("Node", change, old, new)

    # Pods

    def assigned(self, pod: Pod) -> None:
        """A Pod that has a node is new or changed."""
        uid, node = pod.metadata.uid, pod.spec.nodeName
        known = self._placed.get(uid)
        if known is None:
            self._place(PodState(node, facts_of(pod)))
            self._happened("Pod", "Add", None, pod)
            return
        old = known.facts
        if known.node == node and accounted(old.pod) == accounted(pod):
            old.pod = pod
            self._unconfirmed.pop(uid, None)
            if known.assumed:  # those that want to be near it may have waited for it
                known.assumed = False
                self._happened("Pod", "Add", None, pod)
            return
        new = facts_of(pod)
        self._displace(known)
        self._place(PodState(node, new))
        for change in pod_changes(old, new):
            self._happened("Pod", change, old.pod, pod)

    def released(self, pod: Pod) -> None:
        """A Pod is gone or has finished."""
        known = self._placed.get(pod.metadata.uid)
        if known is not None:
            self._displace(known)
            self._happened("Pod", "Delete", pod, None)

    def assume(self, facts: PodFacts, node: str) -> None:
        """Count a Pod on its chosen node before the API shows it there."""
        self.end_nomination(facts.uid)
        self._place(PodState(node, facts, assumed=True))

    def bound(self, facts: PodFacts) -> None:
        """The binding was accepted: the informer will confirm it, or the assumption expires."""
        known = self._placed.get(facts.uid)
        if known is not None and known.assumed:
            self._unconfirmed[facts.uid] = self._clock.monotonic() + ASSUMED_SECONDS

    def forget(self, facts: PodFacts) -> None:
        """Remove an assumed Pod whose binding failed."""
        known = self._placed.get(facts.uid)
        if known is not None and known.assumed:
            self._displace(known)
            self._happened("Pod", "Delete", facts.pod, None)

    def drop_expired(self) -> None:
        """Forget assumptions that were never confirmed; costs nothing when there are none."""
        now = self._clock.monotonic()
        while self._unconfirmed:
            uid, expires = next(iter(self._unconfirmed.items()))
            if expires > now:
                return
            self.forget(self._placed[uid].facts)

    def end_nomination(self, uid: str) -> bool:
        """Remove the Pod's nomination. Returns whether it had one."""
        for waiting in self.nodes.nominated.values():
            if uid in waiting:
                self.nodes.nominate(waiting[uid], "")
                return True
        return False

    def supersede(self, pod: PodFacts, node: str) -> list[PodFacts]:
        """Nominate the Pod to a node, and return the Pods of lower priority that lose their nomination to it."""
        lesser = [nominated for nominated in self.nodes.nominated.get(node, {}).values() if nominated.priority < pod.priority]
        for nominated in (pod, *lesser):
            self.nodes.nominate(nominated, node if nominated is pod else "")
        return lesser

    def is_on_node(self, uid: str) -> bool:
        """Whether the Pod with this uid is on a node, assumed or shown by the API."""
        return uid in self._placed

    def _place(self, state: PodState) -> None:
        self._placed[state.facts.uid] = state
        self.nodes.add_pod(state.node, state.facts)

    def _displace(self, state: PodState) -> None:
        del self._placed[state.facts.uid]
        self._unconfirmed.pop(state.facts.uid, None)
        self.nodes.remove_pod(state.node, state.facts)


def accounted(pod: Pod) -> tuple[object, ...]:
    """The fields of an assigned Pod that change what is counted for it; cheaper to compare than its facts are to compute."""
    spec, status, meta = pod.spec, pod.status, pod.metadata
    held = [
        (status.name, status.resources, status.allocatedResources) for status in (*status.initContainerStatuses, *status.containerStatuses)
    ]
    requested = spec.containers, spec.initContainers, spec.resources, held, is_infeasible(pod)
    return requested, meta.labels, bool(meta.deletionTimestamp)


def pod_changes(old: PodFacts, new: PodFacts) -> list[str]:
    """Which fields of an assigned Pod changed that may make room for others, as actions of `Wake`."""
    before, after = old.pod.metadata, new.pod.metadata
    changes = []
    if any(new.requests.get(name, 0) < amount for name, amount in old.requests.items()):
        changes.append("Resources")
    if before.labels != after.labels:
        changes.append("Labels")
    if bool(before.deletionTimestamp) != bool(after.deletionTimestamp):
        changes.append("Terminating")
    return changes


def node_changes(old: Node, new: Node) -> list[str]:
    """Which fields of a Node changed that matter for scheduling, as actions of `Wake`."""
    changes = []
    if old.status.allocatable != new.status.allocatable:
        changes.append("Allocatable")
    if old.metadata.labels != new.metadata.labels:
        changes.append("Labels")
    if old.spec.taints != new.spec.taints:
        changes.append("Taints")
    if bool(old.spec.unschedulable) != bool(new.spec.unschedulable):
        changes.append("Unschedulable")
    return changes
