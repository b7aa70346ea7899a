"""Eviction of Pods from nodes with NoExecute taints, when they do not tolerate them (any longer)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pilothouse.api.types.core_v1 import Node, Pod, PodCondition
from pilothouse.client.events import NORMAL
from pilothouse.client.store import Key
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, Delete, Emit, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.controller import CREATE, DELETE, PATCH, READ, UPDATE, Controller, Related, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.nodes import taints
from pilothouse.machinery import codec

TARGET = "DisruptionTarget"


def _pods_on(node: Node, world: World) -> Iterator[Key]:
    for pod in world.indexed(Pod, pods.by_node, node.metadata.name):
        yield pod.metadata.namespace, pod.metadata.name


def _executing_changed(old: Node, new: Node) -> bool:
    return taints.no_execute(old) != taints.no_execute(new)


class TaintEvictionController(Controller):
    """Deletes a Pod when a NoExecute taint of its node is not tolerated: at once, or after tolerationSeconds.

    The time counts from the moment at which this process saw the Pod under such taints. A deletion that is planned stays where it
    is when they change (a node that is not ready becomes unreachable), but for taints that are not tolerated at all, or for ever.
    """

    name = "taint-eviction-controller"
    account = "node-controller"
    source = "taint-eviction-controller"
    reconciles = Pod
    watches = (Related(Node, _pods_on, _executing_changed),)
    rules = (
        Rule("", ("nodes",), READ),
        Rule("", ("pods",), READ + DELETE),
        Rule("", ("pods/status",), UPDATE),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, pod: Pod, world: World) -> Iterator[Action]:
        """Delete the Pod when it no longer tolerates the NoExecute taints of its node; else plan again when that will be."""
        node = world.get(Node, "", pod.spec.nodeName) if pod.spec.nodeName else None
        no_execute = taints.no_execute(node) if node is not None else []
        if pod.metadata.deletionTimestamp:
            return
        tolerated = taints.seconds_tolerated(pod, no_execute) if no_execute else None
        planned: datetime | None = world.memory.get("planned")
        if tolerated is None:
            if world.memory.pop("planned", None) is not None:
                yield Emit(pod, NORMAL, "TaintManagerEviction", f"Cancelling deletion of Pod {_name(pod)}")
            return
        if tolerated > 0:
            due = planned or world.steady + timedelta(seconds=tolerated)
            world.memory["planned"] = due
            if world.steady < due:
                yield RequeueAfter((due - world.steady).total_seconds())
                return
        yield Emit(pod, NORMAL, "TaintManagerEviction", f"Marking for deletion Pod {_name(pod)}")
        yield UpdateStatus(_disrupted(pod, world.now_text))
        yield Delete(pod)


def _name(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


def _disrupted(pod: Pod, now: str) -> Pod:
    """The Pod with the condition that tells its owner why it was deleted."""
    changed = codec.clone(pod)
    known = pods.condition(changed, TARGET)
    condition = known or PodCondition(type=TARGET)
    if condition.status != "True":
        condition.lastTransitionTime = now
    condition.status, condition.reason = "True", "DeletionByTaintManager"
    condition.message = "Taint manager: deleting due to NoExecute taint"
    if known is None:
        changed.status.conditions.append(condition)
    return changed
