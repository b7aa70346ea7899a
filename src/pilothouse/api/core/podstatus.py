"""Columns READY, STATUS and RESTARTS of `kubectl get pods`, as upstream's printer computes them."""

from __future__ import annotations

from pilothouse.api.core.podresources import restartable
from pilothouse.api.types.core_v1 import ContainerStatus, Pod
from pilothouse.machinery.conditions import is_condition_true
from pilothouse.machinery.resource import Since

UNREACHABLE = "NodeLost"
TERMINAL = ("Succeeded", "Failed")


class PodSummary:
    """Computed values of a Pod: `ready`, `total`, `reason`, `restarts` and `last_restart`."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.sidecars = {container.name for container in pod.spec.initContainers if restartable(container)}
        self.total = len(pod.spec.containers) + len(self.sidecars)
        self.ready = 0
        self.restarts = 0
        self.last_restart = ""
        self.reason = pod.status.reason or pod.status.phase
        if any(condition.type == "PodScheduled" and condition.reason == "SchedulingGated" for condition in pod.status.conditions):
            self.reason = "SchedulingGated"
        initializing = self._init_containers()
        if not initializing or _condition(pod, "Initialized"):
            self._count_restarts([status for status in pod.status.initContainerStatuses if status.name in self.sidecars])
            self._containers()
        if pod.metadata.deletionTimestamp:
            if pod.status.reason == UNREACHABLE:
                self.reason = "Unknown"
            elif pod.status.phase not in TERMINAL:
                self.reason = "Terminating"

    def _count_restarts(self, statuses: list[ContainerStatus]) -> None:
        """Start the count again with these containers."""
        self.restarts, self.last_restart = 0, ""
        for status in statuses:
            self._add_restarts(status)

    def _add_restarts(self, status: ContainerStatus) -> None:
        self.restarts += status.restartCount
        if status.lastState.terminated:
            self.last_restart = max(self.last_restart, status.lastState.terminated.finishedAt or "")

    def _init_containers(self) -> bool:
        """Go through the init containers up to the first that is not done; true when there is one."""
        for index, status in enumerate(self.pod.status.initContainerStatuses):
            self._add_restarts(status)
            ended, waiting = status.state.terminated, status.state.waiting
            if ended and ended.exitCode == 0:
                continue
            if status.name in self.sidecars and status.started:
                self.ready += status.ready
                continue
            if ended:
                self.reason = f"Init:{ended.reason or _ending(ended.signal or 0, ended.exitCode)}"
            elif waiting and waiting.reason and waiting.reason != "PodInitializing":
                self.reason = f"Init:{waiting.reason}"
            else:
                self.reason = f"Init:{index}/{len(self.pod.spec.initContainers)}"
            return True
        return False

    def _containers(self) -> None:
        """The last container that has something to say gives the reason: they are read backwards."""
        running = False
        for status in reversed(self.pod.status.containerStatuses):
            self._add_restarts(status)
            ended, waiting = status.state.terminated, status.state.waiting
            if waiting and waiting.reason:
                self.reason = waiting.reason
            elif ended:
                self.reason = ended.reason or _ending(ended.signal or 0, ended.exitCode)
            elif status.ready and status.state.running:
                running = True
                self.ready += 1
        if self.reason == "Completed" and running:
            self.reason = "Running" if _condition(self.pod, "Ready") else "NotReady"

    @property
    def restarts_cell(self) -> str | Since:
        """The RESTARTS cell: the count, with the time of the last restart as `(5m ago)`."""
        if self.restarts and self.last_restart:
            return Since(self.last_restart, f"{self.restarts} ({{}} ago)")
        return str(self.restarts)


def readiness_gates(pod: Pod) -> str | None:
    """Column Readiness Gates: the number of gates that are True, and their total, as `1/2`; None without gates."""
    gates = pod.spec.readinessGates
    opened = sum(_condition(pod, gate.conditionType) for gate in gates)
    return f"{opened}/{len(gates)}" if gates else None


def _ending(signal: int, code: int) -> str:
    return f"Signal:{signal}" if signal else f"ExitCode:{code}"


def _condition(pod: Pod, type: str) -> bool:
    return is_condition_true(pod.status.conditions, type)
