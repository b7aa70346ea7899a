"""Pod garbage collection: Pods of missing nodes, unscheduled terminating Pods, and finished Pods above the threshold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.api.types.core_v1 import Node, Pod, PodCondition
from pilothouse.client.call import STRATEGIC_MERGE_PATCH
from pilothouse.client.store import Key
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, Delete, Patch, RequeueAfter
from pilothouse.controllers.framework.controller import DELETE, GET, PATCH, READ, Controller, Related, Rule
from pilothouse.controllers.framework.runner import Context
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.nodes import taints
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError

QUARANTINE_SECONDS = 40.0
"""A node must be missing this long before its Pods are called orphans: it may be about to register again."""
TARGET = "DisruptionTarget"


def _finished(pod: Pod) -> tuple[str, ...]:
    """Index: all Pods that have finished."""
    return ("yes",) if pods.is_finished(pod) else ()


def _pods_on(node: Node, world: World) -> Iterator[Key]:
    for pod in world.indexed(Pod, pods.by_node, node.metadata.name):
        yield pod.metadata.namespace, pod.metadata.name


def _service_changed(old: Node, new: Node) -> bool:
    return _out_of_service(old) != _out_of_service(new)


def _out_of_service(node: Node) -> bool:
    return any(taint.key == taints.OUT_OF_SERVICE for taint in node.spec.taints) and taints.status_of(node, "Ready") != "True"


class PodGCController(Controller):
    """Removes Pods by force, since no kubelet is there to do it.

    - On a node that has been missing for 40 s, and is missing at the server, too.
    - Terminating without ever having got a node; terminating on a node that was declared out of service.
    - The evicted and then the oldest of the finished ones, when there are more than 12,500.
    """

    name = "pod-garbage-collector"
    account = "pod-garbage-collector"
    reconciles = Pod
    workers = 2
    watches = (Related(Node, _pods_on, _service_changed),)
    rules = (Rule("", ("pods",), READ + DELETE), Rule("", ("pods/status",), PATCH), Rule("", ("nodes",), READ + GET))

    async def observe(self, pod: Pod, context: Context) -> bool | None:
        """Whether the node of the Pod is known at the server, where the cache shows none."""
        name = pod.spec.nodeName
        if not name or context.informers.of(Node).get("", name) is not None:
            return None
        try:
            await context.client.get(Node, name)
        except StatusError as error:
            if error.code != 404:
                raise
            return False
        return True

    def plan(self, pod: Pod, world: World) -> Iterator[Action]:
        """Delete the Pod when it is orphaned, terminating without a node, on a node out of service, or above the limit of finished Pods."""
        node = world.get(Node, "", pod.spec.nodeName) if pod.spec.nodeName else None
        if pod.spec.nodeName and node is None:
            yield from _orphaned(pod, world)
        elif pod.metadata.deletionTimestamp and (node is None or _out_of_service(node)):
            yield from _forced(pod, world, "")
        elif pods.is_finished(pod):
            yield from _too_many(world)


def _orphaned(pod: Pod, world: World) -> Iterator[Action]:
    missing = (world.steady - world.seen_since("missing", pod.spec.nodeName)).total_seconds()
    if world.observed is not False or missing < QUARANTINE_SECONDS:
        yield RequeueAfter(max(QUARANTINE_SECONDS - missing, 1.0))
        return
    yield from _forced(pod, world, "PodGC: node no longer exists")


def _forced(pod: Pod, world: World, why: str) -> Iterator[Action]:
    """Say that it has failed, and why, then delete it without waiting for anybody."""
    changed: dict[str, Any] = {}
    if not pods.is_finished(pod):
        changed["phase"] = "Failed"
    if why and pods.condition(pod, TARGET) is None:
        told = PodCondition(type=TARGET, status="True", reason="DeletionByPodGC", message=why, lastTransitionTime=world.now_text)
        changed["conditions"] = [codec.to_dict(told)]
    if changed:
        yield Patch(pod, {"status": changed}, "status", STRATEGIC_MERGE_PATCH)
    yield Delete(pod, grace_seconds=0)


def _too_many(world: World) -> Iterator[Action]:
    threshold = world.settings.terminated_pod_gc_threshold
    finished = world.indexed(Pod, _finished, "yes")
    if threshold <= 0 or len(finished) <= threshold:
        return
    oldest = sorted(finished, key=lambda pod: (not _was_evicted(pod), pod.metadata.creationTimestamp, pod.metadata.name))
    for pod in oldest[: len(finished) - threshold]:
        yield Delete(pod, grace_seconds=0)


def _was_evicted(pod: Pod) -> bool:
    return pod.status.phase == "Failed" and pod.status.reason == "Evicted"
