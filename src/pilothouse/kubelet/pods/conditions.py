"""Pod conditions that the kubelet owns: five of every Pod, and two of resizes. Pure.

Conditions of others (readiness gates, disruptions) are passed through. A condition keeps its transition time as long as
its status stays.
"""

from __future__ import annotations

from pilothouse.api.types.core_v1 import ContainerStatus, Pod, PodCondition
from pilothouse.kubelet.pods.observed import PodState
from pilothouse.kubelet.pods.spec import could_restart_all, is_sidecar, sidecars
from pilothouse.machinery.conditions import find_condition

RESIZE_PENDING, RESIZE_IN_PROGRESS = "PodResizePending", "PodResizeInProgress"
ALL_RESTARTING = "AllContainersRestarting"
OWN = (
    *("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"),
    *(RESIZE_PENDING, RESIZE_IN_PROGRESS, ALL_RESTARTING),
)
DISRUPTION = "DisruptionTarget"
"""Told by whoever ends a pod for the cluster's sake; the kubelet does so when it evicts."""


def conditions(
    pod: Pod, observed: PodState, phase: str, init: list[ContainerStatus], main: list[ContainerStatus], now: str
) -> list[PodCondition]:
    """All conditions of the Pod; `pod.status` has the previous ones."""
    known = {status.name: status for status in [*init, *main]}
    containers_ready = _containers_ready(pod, known, phase)
    made = [
        _ready_to_start(pod, observed),
        _initialized(pod, observed, known, phase),
        _ready(pod, containers_ready),
        containers_ready,
        PodCondition(type="PodScheduled", status="True"),
    ]
    if could_restart_all(pod):
        made.append(_all_restarting(pod, observed, phase))
    if observed.ending is not None and observed.ending.disruption:
        made.insert(0, _condition(DISRUPTION, True, "TerminationByKubelet", observed.ending.disruption_message or observed.ending.message))
    made[:0] = _of_resizes(observed)
    before = {condition.type: condition for condition in pod.status.conditions}
    for condition in made:
        condition.observedGeneration = pod.metadata.generation
        old = before.get(condition.type)
        condition.lastTransitionTime = old.lastTransitionTime if old is not None and old.status == condition.status else now
    own = {*OWN, *(condition.type for condition in made)}
    return [condition for condition in pod.status.conditions if condition.type not in own] + made


def _of_resizes(observed: PodState) -> list[PodCondition]:
    conditions, pending, failure = [], observed.pending_resize, observed.resize_failure
    if pending is not None:
        conditions.append(_condition(RESIZE_PENDING, True, pending.reason, pending.message))
    if observed.resizing:
        told = ("", "") if failure is None else (failure.reason, failure.message)
        conditions.append(_condition(RESIZE_IN_PROGRESS, True, *told))
    return conditions


def _all_restarting(pod: Pod, observed: PodState, phase: str) -> PodCondition:
    if phase in {"Succeeded", "Failed"}:
        return _condition(ALL_RESTARTING, False, "PodCompleted" if phase == "Succeeded" else "PodFailed")
    if not observed.restart_all_triggers(pod):
        return _condition(ALL_RESTARTING, False)
    return _condition(ALL_RESTARTING, True, "RestartAllContainersStarted", "container exited with restart policy rule")


def _condition(type: str, status: bool, reason: str = "", message: str = "") -> PodCondition:
    return PodCondition(type=type, status="True" if status else "False", reason=reason, message=message)


def _listed(names: list[str]) -> str:
    return f"[{' '.join(names)}]"


def _messages(unknown: list[str], wanting: list[str], word: str) -> str:
    parts = [f"containers with unknown status: {_listed(unknown)}"] if unknown else []
    parts += [f"containers with {word} status: {_listed(wanting)}"] if wanting else []
    return ", ".join(parts)


def _ready_to_start(pod: Pod, observed: PodState) -> PodCondition:
    sandbox = observed.sandbox
    return _condition("PodReadyToStartContainers", sandbox is not None and sandbox.ready and bool(sandbox.ips or pod.spec.hostNetwork))


def _initialized(pod: Pod, observed: PodState, known: dict[str, ContainerStatus], phase: str) -> PodCondition:
    unknown = [container.name for container in pod.spec.initContainers if container.name not in known]
    incomplete = [
        container.name
        for container in pod.spec.initContainers
        if container.name in known and not (known[container.name].started if is_sidecar(container) else known[container.name].ready)
    ]
    if phase == "Succeeded" and not unknown:
        return _condition("Initialized", True, "PodCompleted")
    initialized = any(observed.current(container.name) for container in pod.spec.containers)
    message = "" if initialized else _messages(unknown, incomplete, "incomplete")
    return _condition("Initialized", not message, "ContainersNotInitialized" if message else "", message)


def _containers_ready(pod: Pod, known: dict[str, ContainerStatus], phase: str) -> PodCondition:
    wanted = [container.name for container in (*sidecars(pod), *pod.spec.containers)]
    unknown = [name for name in wanted if name not in known]
    unready = [name for name in wanted if name in known and not known[name].ready]
    if phase == "Succeeded" and not unknown:
        return _condition("ContainersReady", False, "PodCompleted")
    if phase == "Failed":
        return _condition("ContainersReady", False, "PodFailed")
    message = _messages(unknown, unready, "unready")
    return _condition("ContainersReady", not message, "ContainersNotReady" if message else "", message)


def _ready(pod: Pod, containers_ready: PodCondition) -> PodCondition:
    if containers_ready.status != "True":
        return _condition("Ready", False, containers_ready.reason, containers_ready.message)
    gates = [_gate(pod, gate.conditionType) for gate in pod.spec.readinessGates]
    message = ", ".join(message for message in gates if message)
    return _condition("Ready", not message, "ReadinessGatesNotReady" if message else "", message)


def _gate(pod: Pod, wanted: str) -> str:
    condition = find_condition(pod.status.conditions, wanted)
    if condition is None:
        return f'corresponding condition of pod readiness gate "{wanted}" does not exist.'
    if condition.status != "True":
        return f'the status of pod readiness gate "{wanted}" is not "True", but {condition.status}'
    return ""
