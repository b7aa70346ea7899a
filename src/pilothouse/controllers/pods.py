"""Helpers for Pods: whether they are active or ready, and creating them from a template."""

from __future__ import annotations

from datetime import datetime

from pilothouse.api.types.core_v1 import Pod, PodCondition, PodTemplateSpec
from pilothouse.controllers.framework.actions import Announce
from pilothouse.machinery import codec, names, time
from pilothouse.machinery.conditions import find_condition, is_condition_true
from pilothouse.machinery.meta_v1 import ObjectMeta

FINISHED = ("Succeeded", "Failed")
POD_EVENTS = Announce("SuccessfulCreate", "Created pod: {name}", "FailedCreate", "Error creating: {error}")
POD_DELETE_EVENTS = Announce("SuccessfulDelete", "Deleted pod: {name}", "FailedDelete", "Error deleting: {error}")


def is_finished(pod: Pod) -> bool:
    """Whether the Pod's phase is Succeeded or Failed."""
    return pod.status.phase in FINISHED


def is_active(pod: Pod) -> bool:
    """It runs or will run: neither finished nor on its way out."""
    return not is_finished(pod) and not pod.metadata.deletionTimestamp


def by_node(pod: Pod) -> tuple[str, ...]:
    """Index: Pods by the node that they are on."""
    return (pod.spec.nodeName,) if pod.spec.nodeName else ()


def condition(pod: Pod, type: str) -> PodCondition | None:
    """The Pod's condition of this type, or None."""
    return find_condition(pod.status.conditions, type)


def is_ready(pod: Pod) -> bool:
    """Whether the condition Ready is True."""
    return is_condition_true(pod.status.conditions, "Ready")


def ready_since(pod: Pod) -> datetime | None:
    """Since when it is ready; None when it is not, or does not say."""
    ready = condition(pod, "Ready")
    return time.parse(ready.lastTransitionTime) if ready and ready.status == "True" and ready.lastTransitionTime else None


def seconds_to_available(pod: Pod, min_ready_seconds: int, now: datetime) -> float | None:
    """0 for a Pod that is available, the seconds that it still has to stay ready otherwise; None when it is not ready."""
    if not is_ready(pod):
        return None
    if min_ready_seconds == 0:
        return 0.0
    since = ready_since(pod)
    if since is None:
        return None
    return max(0.0, min_ready_seconds - (now - since).total_seconds())


def is_available(pod: Pod, min_ready_seconds: int, now: datetime) -> bool:
    """Whether the Pod has been ready for `min_ready_seconds`."""
    return seconds_to_available(pod, min_ready_seconds, now) == 0.0


def most_restarts(pod: Pod) -> tuple[int, int]:
    """The restarts of the container that restarted most: of the ordinary ones, then of the init containers."""
    regular = max((status.restartCount for status in pod.status.containerStatuses), default=0)
    init = max((status.restartCount for status in pod.status.initContainerStatuses), default=0)
    return regular, init


def pod_from_template(template: PodTemplateSpec, namespace: str, owner_name: str) -> Pod:
    """A Pod of the template that gets its name from its owner's."""
    copied = codec.clone(template)
    prefix = f"{owner_name}-"
    if names.dns_subdomain(prefix + "x"):  # upstream: without the dash where it would make the name invalid
        prefix = owner_name
    meta = ObjectMeta(
        generateName=prefix,
        namespace=namespace,
        labels=copied.metadata.labels,
        annotations=copied.metadata.annotations,
        finalizers=copied.metadata.finalizers,
    )
    return Pod(metadata=meta, spec=copied.spec)
