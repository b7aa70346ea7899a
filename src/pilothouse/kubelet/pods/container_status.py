"""`containerStatuses` from the containers of the runtime. Pure.

- A container without a run waits, for the reason that its last attempt gave; one that ran before shows that as `lastState`.
- Statuses are sorted as upstream sorts them: init containers in the order of the spec, others by name.
- A run that vanished while the API still shows it running is ContainerStatusUnknown (137), never silently forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from pilothouse.api.types.core_v1 import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    EphemeralContainer,
    Pod,
    VolumeMountStatus,
)
from pilothouse.kubelet.pods.observed import PodState, Run
from pilothouse.kubelet.pods.spec import could_restart_all, is_sidecar, restarts
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.runtime import containers
from pilothouse.machinery import time as times

GONE = "The container could not be located when the pod was deleted.  The container used to be Running"
RESTARTING_ALL, REMOVED = "RestartingAllContainers", "The container is removed because RestartAllContainers in place"

EPOCH = "1970-01-01T00:00:00Z"
"""When a run began that never did, as upstream shows it (StartError)."""


def moment(seconds: float) -> str:
    """Seconds since the epoch as an API time; "" for 0."""
    return times.text(datetime.fromtimestamp(seconds, UTC)) if seconds else ""


def statuses(
    pod: Pod, observed: PodState, containers: Sequence[AnyContainer], previous: Sequence[ContainerStatus], runtime: str
) -> list[ContainerStatus]:
    """The statuses of one kind of containers. `runtime` is the scheme of the ids, as in `containerd://...`."""
    before = {status.name: status for status in previous}
    container_statuses = [_status(pod, observed, container, before.get(container.name), runtime) for container in containers]
    if containers and containers[0] in pod.spec.initContainers:
        return container_statuses
    return sorted(container_statuses, key=lambda status: status.name)


def _status(pod: Pod, observed: PodState, container: AnyContainer, old: ContainerStatus | None, runtime: str) -> ContainerStatus:
    runs = observed.runs.get(container.name, [])
    status = _of_run(observed, container, runs[0], runtime) if runs else _without_run(pod, container, old)
    if len(runs) > 1:
        status.lastState = _state(runs[1], runtime)
    elif runs and old is not None and old.containerID != status.containerID and old.restartCount < status.restartCount:
        status.lastState = ContainerState(terminated=old.state.terminated or old.lastState.terminated)
    elif runs and old is not None and old.containerID == status.containerID:
        status.lastState = old.lastState
    _apply_failure(pod, observed, container, status)
    status.volumeMounts = _mounts(container)
    if not isinstance(container, EphemeralContainer):  # upstream never says of these that they are ready
        _apply_probes(observed, container, runs[0] if runs else None, status)
    return status


def _mounts(container: AnyContainer) -> list[VolumeMountStatus]:
    return [
        VolumeMountStatus(
            name=mount.name, mountPath=mount.mountPath, readOnly=mount.readOnly, recursiveReadOnly="Disabled" if mount.readOnly else None
        )
        for mount in container.volumeMounts
    ]


def _of_run(observed: PodState, container: AnyContainer, run: Run, runtime: str) -> ContainerStatus:
    return ContainerStatus(
        name=run.name,
        restartCount=run.attempt,
        image=run.image or container.image,
        imageID=run.image_id,
        containerID=f"{runtime}://{run.id}",
        state=_state(run, runtime),
        resources=observed.applied.get(run.id, container.resources),
        allocatedResources=container.resources.requests,
    )


def _state(run: Run, runtime: str) -> ContainerState:
    if run.state is containers.ContainerState.RUNNING:
        return ContainerState(running=ContainerStateRunning(startedAt=moment(run.started_at) or None))
    if run.state is containers.ContainerState.EXITED:
        return ContainerState(
            terminated=ContainerStateTerminated(
                exitCode=run.exit_code,
                reason=run.reason,
                message=run.message,
                startedAt=moment(run.started_at) or EPOCH,
                finishedAt=moment(run.finished_at) or EPOCH,
                containerID=f"{runtime}://{run.id}",
            )
        )
    return ContainerState(waiting=ContainerStateWaiting(reason="ContainerCreating"))


def _without_run(pod: Pod, container: AnyContainer, old: ContainerStatus | None) -> ContainerStatus:
    reason = "PodInitializing" if pod.spec.initContainers else "ContainerCreating"
    status = ContainerStatus(name=container.name, image=container.image, state=ContainerState(waiting=ContainerStateWaiting(reason=reason)))
    if old is None:
        return status
    if old.state.terminated is not None:
        return msgspec.structs.replace(old)
    status.restartCount, status.lastState = old.restartCount, old.lastState
    if old.state.running is not None and status.lastState.terminated is None:
        reason, message = (RESTARTING_ALL, REMOVED) if could_restart_all(pod) else ("ContainerStatusUnknown", GONE)
        lost = ContainerStateTerminated(exitCode=137, reason=reason, message=message)
        status.lastState = ContainerState(terminated=lost)
        status.restartCount += 0 if pod.metadata.deletionTimestamp else 1
    return status


def _apply_failure(pod: Pod, observed: PodState, container: AnyContainer, status: ContainerStatus) -> None:
    """What keeps a container from its next run is its state; how the last run ended moves to `lastState`."""
    failure, run = observed.failures.get(container.name), observed.newest(container.name)
    if failure is None or observed.ending is not None or (run is not None and run.running):
        return
    if run is not None and run.exited and not _runs_again(pod, container, run):
        return
    if status.state.terminated is not None:
        status.lastState = status.state
    status.state = ContainerState(waiting=ContainerStateWaiting(reason=failure.reason, message=failure.message))


def _runs_again(pod: Pod, container: AnyContainer, run: Run) -> bool:
    if is_sidecar(container):
        return True
    if container in pod.spec.initContainers:
        return run.exit_code != 0 and restarts(pod, container, run.exit_code)
    return container in pod.spec.containers and restarts(pod, container, run.exit_code)


def _apply_probes(observed: PodState, container: AnyContainer, run: Run | None, status: ContainerStatus) -> None:
    """`started` and `ready`; an init container is ready when it has succeeded."""
    running = run is not None and status.state.running is not None
    status.started = bool(running and run is not None and observed.started(run))
    terminated = status.state.terminated
    if _is_init(container, observed):
        status.ready = terminated is not None and terminated.exitCode == 0
    else:
        status.ready = bool(run is not None and status.started and observed.probed(run).ready is not False)


def _is_init(container: AnyContainer, observed: PodState) -> bool:
    return container.name in observed.init_names and not is_sidecar(container)
