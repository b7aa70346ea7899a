"""Pods with a DisruptionTarget condition that were not deleted after all."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.core_v1 import Pod, PodCondition
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.controller import READ, UPDATE, Controller, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec

TARGET = "DisruptionTarget"
TIMEOUT_SECONDS = 120.0
"""How long after the condition was set the Pod must have been deleted."""
BY_KUBELET = "TerminationByKubelet"
"""The reason of conditions that a kubelet set: it ends the Pod itself, and may take its time."""


class StalePodDisruptionController(Controller):
    """Sets the condition DisruptionTarget to False two minutes after it was set, when nobody has deleted the Pod since.

    Whoever set it may have ended in between; and a Job's failure policy would judge a later failure by it.
    """

    name = "stale-pod-disruption"
    account = "disruption-controller"
    reconciles = Pod
    workers = 1
    rules = (Rule("", ("pods",), READ), Rule("", ("pods/status",), UPDATE))

    def plan(self, pod: Pod, world: World) -> Iterator[Action]:
        """Set DisruptionTarget to False after its timeout; else plan again then."""
        target = pods.condition(pod, TARGET)
        if (
            target is None
            or target.status != "True"
            or target.reason == BY_KUBELET
            or pod.metadata.deletionTimestamp
            or pods.is_finished(pod)
        ):
            return
        left = TIMEOUT_SECONDS - world.seconds_since(target.lastTransitionTime or "")
        if left > 0:
            yield RequeueAfter(left)
            return
        changed = codec.clone(pod)
        cleared = PodCondition(type=TARGET, status="False", lastTransitionTime=world.now_text)
        changed.status.conditions = [cleared if condition.type == TARGET else condition for condition in changed.status.conditions]
        yield UpdateStatus(changed)
