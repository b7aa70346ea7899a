"""Which container a log request means, from the Pod's status, with upstream's errors. Pure."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import ContainerStatus, Pod

WAITING_TEXTS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class NoLog(Exception):
    """There is no log; the text says why."""


def has_container(pod: Pod, name: str) -> bool:
    """Whether the pod has a container of any kind with this name."""
    spec = pod.spec
    names = [container.name for container in (*spec.containers, *spec.initContainers)] + [
        container.name for container in spec.ephemeralContainers
    ]
    return name in names


def every_status(pod: Pod) -> list[ContainerStatus]:
    """Statuses of init, regular and ephemeral containers."""
    status = pod.status
    return [*status.initContainerStatuses, *status.containerStatuses, *status.ephemeralContainerStatuses]


def status_of(pod: Pod, name: str) -> ContainerStatus | None:
    """Status of the container of this name, or None."""
    return next((status for status in every_status(pod) if status.name == name), None)


def container_id(pod: Pod, name: str, previous: bool) -> str:
    """Runtime id (without its scheme) of the container whose log is requested. Raises NoLog."""
    shown = f'container "{name}" in pod "{pod.metadata.name}"'
    status = status_of(pod, name)
    if status is None:
        raise NoLog(f"{shown} is not available")
    last = status.lastState.terminated if status.lastState else None
    last_id = last.containerID if last else ""
    if previous:
        if not last_id:
            raise NoLog(f"previous terminated {shown} not found")
        return id_without_scheme(last_id)
    state = status.state
    if state is not None and state.running is not None:
        return id_without_scheme(status.containerID)
    ended = state.terminated if state is not None else None
    if ended is not None or last is not None:
        chosen = (ended.containerID if ended is not None else "") or last_id
        if not chosen:
            raise NoLog(f"{shown} is terminated")
        return id_without_scheme(chosen)
    if state is not None and state.waiting is not None:
        reason = state.waiting.reason
        raise NoLog(f"{shown} is waiting to start: {WAITING_TEXTS.get(reason, reason)}")
    raise NoLog(f"{shown} is waiting to start - no logs yet")


def id_without_scheme(identifier: str) -> str:
    """`containerd://abc` without its scheme."""
    return identifier.rpartition("://")[2]
