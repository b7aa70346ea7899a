"""Phase of a Pod from its container statuses, as upstream's getPhase. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.api.types.core_v1 import Container, ContainerStatus, Pod
from pilothouse.kubelet.pods.spec import is_sidecar, is_static, restarts, restarts_all


@dataclass(slots=True)
class Count:
    """Containers of a Pod by state."""

    unknown: int = 0
    running: int = 0
    waiting: int = 0
    stopped: int = 0
    succeeded: int = 0
    pending_init: int = 0
    pending_sidecars: int = 0
    failed_init: int = 0
    """Those that do not run again."""
    restarting: int = 0
    """Of the stopped ones those that run again."""


def phase(pod: Pod, known: Mapping[str, ContainerStatus], ended: bool) -> str:
    """Phase of the Pod. `ended`: no container will be started again, whatever the restart policy says."""
    count = Count()
    for container in pod.spec.initContainers:
        if is_sidecar(container):
            _count_sidecar(known.get(container.name), count)
        else:
            _count_init(pod, container, known.get(container.name), count)
    for container in pod.spec.containers:
        _count_container(pod, container, known.get(container.name), count)
    initialized = any(_has_begun(known.get(container.name)) for container in pod.spec.containers)
    return _decide(pod, count, ended, initialized)


def _has_begun(status: ContainerStatus | None) -> bool:
    return status is not None and bool(status.state.running or status.state.terminated or status.lastState.terminated)


def _count_init(pod: Pod, container: Container, status: ContainerStatus | None, count: Count) -> None:
    over = None if status is None else status.state.terminated or (status.lastState.terminated if status.state.waiting else None)
    if over is None:
        count.pending_init += 1
    elif over.exitCode != 0:
        count.failed_init += not _restarts(pod, container, over.exitCode)


def _count_sidecar(status: ContainerStatus | None, count: Count) -> None:
    if status is None:
        count.unknown += 1
    elif status.state.running:
        count.running += 1
        count.pending_sidecars += 0 if status.started else 1
    elif status.state.waiting and not status.lastState.terminated:
        count.pending_sidecars += 1
        count.waiting += 1


def _count_container(pod: Pod, container: Container, status: ContainerStatus | None, count: Count) -> None:
    if status is None:
        count.unknown += 1
    elif status.state.running:
        count.running += 1
    elif status.state.terminated:
        count.stopped += 1
        count.succeeded += status.state.terminated.exitCode == 0
        count.restarting += _restarts(pod, container, status.state.terminated.exitCode)
    elif status.lastState.terminated:
        count.stopped += 1
        count.restarting += _restarts(pod, container, status.lastState.terminated.exitCode)
    else:
        count.waiting += 1


def _restarts(pod: Pod, container: Container, exit_code: int) -> bool:
    return restarts(pod, container, exit_code) or restarts_all(container, exit_code)


def _decide(pod: Pod, count: Count, ended: bool, initialized: bool) -> str:
    if count.failed_init:
        return "Failed"
    if count.pending_init or (count.pending_sidecars and not initialized) or count.waiting:
        return "Pending"
    if count.running and not count.unknown:
        return "Running"
    if count.running or not count.stopped or count.unknown:
        return "Pending"
    succeeded = count.stopped == count.succeeded
    if ended and not is_static(pod):
        return "Succeeded" if succeeded else "Failed"
    if count.restarting:
        return "Running"
    return "Succeeded" if succeeded else "Failed"
