"""Nodes that fall silent: their conditions become Unknown, they are tainted, their Pods are no longer ready."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.types.coordination_v1 import Lease
from pilothouse.api.types.core_v1 import Node, NodeCondition, ObjectReference, Pod, Taint
from pilothouse.client.events import NORMAL, WARNING
from pilothouse.client.store import Key
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, Emit, Patch, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.controller import CREATE, PATCH, READ, UPDATE, Controller, Notes, Reads, Related, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.nodes import taints, zones
from pilothouse.machinery import codec, time

LEASES = "kube-node-lease"
JUDGED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
STOPPED = ("NodeStatusUnknown", "Kubelet stopped posting node status.")
NEVER = ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
EXECUTING = (wellknown.NODE_NOT_READY, wellknown.NODE_UNREACHABLE)


HEARTBEATS = "heartbeats"
"""In `World.shared`: when the Lease of each node was last seen to change, by the node's name."""


def _note_heartbeat(old: Lease | None, new: Lease | None, shared: dict[str, Any], now: datetime) -> None:
    """Leases are renewed every ten seconds: the time is noted, and looked at when the node would count as silent."""
    lease = new or old
    if lease is None or lease.metadata.namespace != LEASES:
        return
    heartbeats: dict[str, datetime] = shared.setdefault(HEARTBEATS, {})
    if new is None:
        heartbeats.pop(lease.metadata.name, None)
    elif old is None or old.spec.renewTime != new.spec.renewTime:
        heartbeats[lease.metadata.name] = now


def _all_nodes(node: Node, world: World) -> Iterator[Key]:
    """Whether a node's Pods may be evicted depends on how many others have failed."""
    for candidate in world.list(Node):
        if taints.status_of(candidate, "Ready") != "True":
            yield "", candidate.metadata.name


def _readiness_changed(old: Node, new: Node) -> bool:
    return taints.status_of(old, "Ready") != taints.status_of(new, "Ready")


class NodeLifecycleController(Controller):
    """Watches the heartbeats of nodes.

    - A heartbeat is a change of the Lease or of the status; its age counts from when this process saw it, so that clocks may differ.
    - 50 s without one: the conditions become Unknown. NoSchedule taints follow the conditions at once.
    - NoExecute taints (not-ready, unreachable) come one node after the other, at the rate that the state of its zone allows.
    """

    name = "nodelifecycle"
    account = "node-controller"
    source = "node-controller"
    reconciles = Node
    workers = 1
    watches = (Notes(Lease, _note_heartbeat), Related(Node, _all_nodes, _readiness_changed), Reads(Pod))
    rules = (
        Rule("", ("nodes",), READ + PATCH),
        Rule("", ("nodes/status", "pods/status"), UPDATE),
        Rule("", ("pods",), READ),
        Rule("coordination.k8s.io", ("leases",), READ),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, node: Node, world: World) -> Iterator[Action]:
        """Write the conditions and taints of a node whose heartbeats stopped or came back, and mark its Pods not ready."""
        if not world.memory.get("registered"):
            world.memory["registered"] = True
            name = node.metadata.name
            yield Emit(node, NORMAL, "RegisteredNode", f"Node {name} event: Registered Node {name} in Controller")
        world.memory["uid"] = node.metadata.uid
        left = _seconds_left(node, world)
        if left <= 0:
            changed = _unknown(node, world.now_text)
            if changed is not None:
                yield UpdateStatus(changed)
                return  # what follows from it is planned when the cache shows it
        else:
            yield RequeueAfter(left)
        yield from _mark_pods_not_ready(node, world)
        yield from _taint(node, world)

    def plan_gone(self, key: Key, world: World) -> Iterator[Action]:
        """Emit RemovingNode for a node that was registered."""
        _, name = key
        if world.memory.get("registered"):
            about = ObjectReference(kind="Node", name=name, uid=world.memory.get("uid", ""))
            yield Emit(about, NORMAL, "RemovingNode", f"Node {name} event: Removing Node {name} from Controller")


def _seconds_left(node: Node, world: World) -> float:
    """Until the node counts as silent."""
    settings = world.settings
    ready = taints.condition(node, "Ready")
    lease: datetime | None = world.shared.get(HEARTBEATS, {}).get(node.metadata.name)
    if ready is None and lease is None:
        return settings.node_startup_grace_period_seconds - world.seconds_since(node.metadata.creationTimestamp)
    # a condition that this controller wrote is no heartbeat
    posted = world.seen_since("heartbeat", ready.lastHeartbeatTime if ready is not None else "")
    seen = posted if lease is None else max(posted, lease)
    return settings.node_monitor_grace_period_seconds - (world.steady - seen).total_seconds()


def _unknown(node: Node, now: str) -> Node | None:
    """The node with the conditions of one that is silent; None when it has them."""
    changed = codec.clone(node)
    for type_ in JUDGED:
        condition = taints.condition(changed, type_)
        if condition is None:
            reason, message = NEVER
            changed.status.conditions.append(
                NodeCondition(
                    type=type_,
                    status="Unknown",
                    reason=reason,
                    message=message,
                    lastHeartbeatTime=node.metadata.creationTimestamp,
                    lastTransitionTime=now,
                )
            )
        elif condition.status != "Unknown":
            condition.status, (condition.reason, condition.message), condition.lastTransitionTime = "Unknown", STOPPED, now
    return None if changed.status == node.status else changed


def _mark_pods_not_ready(node: Node, world: World) -> Iterator[Action]:
    """Of a node that stops being ready: one event, and its Pods are not ready either."""
    ready = taints.condition(node, "Ready")
    if ready is None or ready.status == "True":
        world.memory["told"] = False
        return
    name = node.metadata.name
    if not world.memory.get("told"):
        world.memory["told"] = True
        yield Emit(node, NORMAL, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
    for pod in world.indexed(Pod, pods.by_node, name):
        ready_condition = pods.condition(pod, "Ready")
        if ready_condition is None or ready_condition.status != "True":
            continue
        changed = codec.clone(pod)
        for condition in changed.status.conditions:
            if condition.type == "Ready":
                condition.status, condition.lastTransitionTime = "False", world.now_text
        yield UpdateStatus(changed)
        yield Emit(pod, WARNING, "NodeNotReady", "Node is not ready")


def _taint(node: Node, world: World) -> Iterator[Action]:
    wanted = taints.no_schedule(node.status.conditions, bool(node.spec.unschedulable))
    result = taints.merged(node.spec.taints, wanted, taints.NO_SCHEDULE, taints.OWN_KEYS)
    executing, wait = _executing(node, world)
    if executing is not None:
        result = taints.merged(result, executing, taints.NO_EXECUTE, EXECUTING)
    if result != node.spec.taints:
        meta = node.metadata
        patch = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resourceVersion}}
        yield Patch(node, {**patch, "spec": {"taints": [codec.to_dict(taint) for taint in result] or None}})
    if wait:
        yield RequeueAfter(wait)


def _executing(node: Node, world: World) -> tuple[list[Taint] | None, float]:
    """The NoExecute taint that the node is to have (None: as it is), and the seconds until its zone's turn."""
    ready = taints.condition(node, "Ready")
    if ready is None or ready.status == "True":
        return [], 0.0
    key = wellknown.NODE_UNREACHABLE if ready.status == "Unknown" else wellknown.NODE_NOT_READY
    wanted = [Taint(key=key, effect=taints.NO_EXECUTE, timeAdded=time.text(world.now))]
    zone, states = zones.zone_of(node), zones.states(world.list(Node), world.settings)
    rate = zones.eviction_rate(zone, states, world.settings)
    present = {taint.key for taint in taints.no_execute(node)} & {*EXECUTING}
    if all(state.state == zones.FULL for state in states.values()):
        return [], 0.0
    if present:
        return wanted, 0.0  # has had its turn: only the kind of failure may change
    if rate == 0:
        return None, 0.0
    limiter: zones.EvictionRateLimiter = world.shared.setdefault("eviction limiter", zones.EvictionRateLimiter())
    wait = limiter.wait(zone, world.steady)
    if wait:
        return None, wait
    limiter.next_at[zone] = world.steady + timedelta(seconds=1 / rate)
    return wanted, 0.0
