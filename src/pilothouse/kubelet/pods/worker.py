"""Pod worker: plan, execute, report, wait, until nothing is left of the Pod.

- One task a pod; every decision is the planner's, every act the pod runtime's.
- Woken by the API (a new spec), by the runtime (something exited), by probes, or by the planner's own `wake_at`; it never polls.
- An unexpected failure of a step is told and tried again with back-off: one sick pod harms no other.
- A pod that is deleted is removed from the API only after its containers, mounts and cgroup are gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from pilothouse.api.types.core_v1 import Pod, PodStatus
from pilothouse.kit.clock import wait_for
from pilothouse.kubelet.pods.allocation import DEFERRED, PendingResize, as_running, resize_text, resources_differ, with_resources_of
from pilothouse.kubelet.pods.conditions import OWN
from pilothouse.kubelet.pods.ending import DEADLINE, decide
from pilothouse.kubelet.pods.interruption import Interrupted
from pilothouse.kubelet.pods.node_services import NodeServices
from pilothouse.kubelet.pods.observed import Ending, PodSandbox, PodState, Run, age_of
from pilothouse.kubelet.pods.planner import plan
from pilothouse.kubelet.pods.pod_runtime import PodRuntime
from pilothouse.kubelet.pods.spec import is_terminal
from pilothouse.kubelet.pods.status import pod_status
from pilothouse.kubelet.pods.steps import Plan
from pilothouse.kubelet.runtime.port import RuntimeFailure
from pilothouse.machinery import time as times
from pilothouse.machinery.errors import StatusError

log = logging.getLogger(__name__)
OWN_FIELDS = ("phase", "reason", "message", "podIPs", "hostIPs", "startTime", "initContainerStatuses", "containerStatuses")
"""Of the status, beside conditions, what nobody else has a say in."""
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 10.0


class PodWorker:
    """Runs one Pod from its first step until nothing is left of it.

    `observe` is called with every change of runs, for whoever probes them.
    """

    def __init__(
        self,
        pod: Pod,
        shared: NodeServices,
        claim: Callable[[str], None],
        observe: Callable[[PodWorker], None],
    ) -> None:
        self.state = PodState(init_names=frozenset(container.name for container in pod.spec.initContainers))
        self.pod_runtime = PodRuntime(pod, self.state, shared, claim)
        self.wanted = pod
        """As the API has it: its containers may want other resources than they were granted."""
        self.status: PodStatus | None = None
        """The last status told."""
        self._shared = shared
        self._observe = observe
        self._wake = asyncio.Event()
        self._stale: set[str] = set()
        self._removed_from_api = False
        self._failures = 0
        self._busy = False
        """Whether a step is being executed."""
        self.state.first_seen = times.parse(pod.status.startTime).timestamp() if pod.status.startTime else shared.now()

    @property
    def pod(self) -> Pod:
        """The newest spec of the pod."""
        return self.pod_runtime.pod

    @property
    def occupies(self) -> bool:
        """Whether the Pod still counts against the node's resources and ports: until its containers have ended."""
        ending, state = self.state.ending, self.state
        over = state.released or (bool(state.runs) and not state.is_alive())
        return ending is None or not (ending.untouched or over)

    @property
    def deferred(self) -> bool:
        """Whether a resize of the Pod is deferred."""
        pending = self.state.pending_resize
        return pending is not None and pending.reason == DEFERRED

    @property
    def uid(self) -> str:
        """uid of the pod."""
        return self.pod.metadata.uid

    # What others tell the worker; each returns at once.

    def update(self, pod: Pod, refused: PendingResize | None) -> None:
        """The Pod changed in the API. With `refused`, its resize is not granted, and its containers keep their resources."""
        self.wanted = pod
        self._note_resize(pod, refused)
        if refused is not None:
            pod = with_resources_of(pod, self.pod)
        self._forget_back_offs(pod)
        if self.status is not None and not is_terminal(pod) and _is_overwritten(self.pod.status, pod.status, self.status):
            self._shared.publisher.overwritten(pod, self.status)
        self.pod_runtime.pod = pod
        if pod.metadata.deletionTimestamp:
            self._end()
        self._wake.set()

    def _note_resize(self, pod: Pod, refused: PendingResize | None) -> None:
        if refused is None:
            if resources_differ(pod, self.pod):
                self.pod_runtime.record_event("Normal", "ResizeStarted", resize_text(pod, "started"))
                self.state.resizing, self.state.resize_failure = True, None
        elif refused != self.state.pending_resize:
            self.pod_runtime.record_event("Warning", f"Resize{refused.reason}", resize_text(pod, refused.reason, refused.message))
        self.state.pending_resize = refused

    def _forget_back_offs(self, pod: Pod) -> None:
        """What has another image or other resources now may do better than before, and need not wait."""
        before = {
            container.name: (container.image, container.resources)
            for container in (*self.pod.spec.initContainers, *self.pod.spec.containers)
        }
        for container in (*pod.spec.initContainers, *pod.spec.containers):
            if before.get(container.name) != (container.image, container.resources):
                self.state.back_offs.pop(container.name, None)
                self.state.failures.pop(container.name, None)

    def _note_resized(self) -> None:
        if self.state.resizing and self.state.has_resources_of(self.pod):
            self.state.resizing, self.state.resize_failure = False, None
            self.pod_runtime.record_event("Normal", "ResizeCompleted", resize_text(self.pod, "completed"))

    def removed(self) -> None:
        """The Pod was deleted from the API."""
        self._removed_from_api = True
        if not self.pod.metadata.deletionTimestamp:
            meta = msgspec.structs.replace(self.pod.metadata, deletionTimestamp=times.now_text(self._shared.clock))
            self.pod_runtime.pod = msgspec.structs.replace(self.pod, metadata=meta)
        self._end()
        self._wake.set()

    def end(self, ending: Ending) -> None:
        """End the Pod for a reason of the node (rejection, eviction)."""
        if self.state.ending is None:
            self.state.ending = ending
            self._end()
            self._wake.set()

    def mark_stale(self, identifier: str) -> None:
        """A sandbox or container of the Pod changed in the runtime and has to be read again."""
        self._stale.add(identifier)
        self._wake.set()

    def sources_changed(self) -> None:
        """An object that the Pod refers to changed: failed steps are tried again at once."""
        if self.state.setup_failure is not None:
            self.state.setup_failure.retry_at = 0.0
        for failure in self.state.failures.values():
            if failure.reason == "CreateContainerConfigError":
                failure.retry_at = 0.0
        self._wake.set()

    def wake(self) -> None:
        """Plan again: a probe result changed."""
        self._wake.set()
        if self._busy:
            self.publish_status()

    def adopt(self, sandboxes: list[PodSandbox], runs: list[Run]) -> None:
        """Take over the sandboxes and containers that exist when the kubelet starts."""
        if sandboxes:
            self.pod_runtime.pod = as_running(self.pod)
        self.state.sandboxes = sorted(sandboxes, key=age_of, reverse=True)
        for run in runs:
            self.pod_runtime.take(run)
        for sandbox in sandboxes:
            self.pod_runtime.register(sandbox.id)
        for status in (*self.pod.status.initContainerStatuses, *self.pod.status.containerStatuses):
            if status.containerID:
                self.state.lost[status.name] = status.restartCount
                if status.resources is not None:
                    self.state.applied[status.containerID.rpartition("://")[2]] = status.resources

    def _end(self) -> None:
        old = self.state.ending
        new = decide(self.pod, self.state, self._shared.now())
        self.state.ending = new
        if new is not None:
            self.pod_runtime.ending.set()
            if old is None and new.reason == DEADLINE:
                self.pod_runtime.record_event("Normal", new.reason, new.message)
        if old is not None and new is not None and new.grace_seconds < old.grace_seconds:
            self.pod_runtime.grace_shortened.set()

    # The loop

    async def run(self) -> None:
        """Run until the Pod is gone from node and API."""
        while True:
            self._wake.clear()
            try:
                await self._refresh()
                self._end()
                planned = plan(self.pod, self.state, self._shared.now())
                if not planned.steps:
                    self._note_resized()
                self.publish_status(intermediate=bool(planned.steps) and self.state.ending is None)
                if not planned.steps and await self._over():
                    return
                await self._run(planned)
                self._failures = 0
            except Interrupted:
                continue
            except (RuntimeFailure, StatusError, ConnectionError, OSError) as error:
                await self._failed(error)
                continue
            self._observe(self)
            if not planned.steps:
                await self._wait(planned)

    async def _run(self, planned: Plan) -> None:
        """Step by step; what runs already is probed, and what its probes say is told, while later steps take their time."""
        self._busy = True
        try:
            for step in planned.steps:
                await self.pod_runtime.run(step)
                self._observe(self)
        finally:
            self._busy = False

    async def _refresh(self) -> None:
        while self._stale:
            identifier = self._stale.pop()
            if any(sandbox.id == identifier for sandbox in self.state.sandboxes):
                await self.pod_runtime.refresh_sandboxes()
                continue
            known = next((run for run in self.state.all_runs() if run.id == identifier), None)
            if known is not None and not known.exited:
                await self.pod_runtime.refresh_run(identifier)

    async def _over(self) -> bool:
        """Whether the worker's work is done: the pod ended, nothing of it is left, and the API no longer has it."""
        ending = self.state.ending
        if ending is None or not self.state.released:
            return False
        if self._removed_from_api:
            await self._sweep()
            return True
        if ending.deleted:
            self._shared.publisher.remove(self.pod)
        return False

    async def _sweep(self) -> None:
        """Nobody can ask for the logs of what is gone."""
        for sandbox in self.state.sandboxes:
            await self._shared.runtime.remove_pod_sandbox(sandbox.id)
        await self._shared.host.remove_tree(self._shared.paths.pod_logs(self.pod))

    async def _failed(self, error: Exception) -> None:
        log.warning("pod sync failed", extra={"pod": self.pod.metadata.name, "namespace": self.pod.metadata.namespace, "error": str(error)})
        text = error.status_text if isinstance(error, RuntimeFailure) else str(error)
        if self.state.ending is not None:
            self.pod_runtime.record_event("Warning", "FailedKillPod", f"error killing pod: {text}")
        else:
            self.pod_runtime.record_event("Warning", "FailedSync", f"error determining status: {text}")
        seconds = min(FIRST_RETRY_SECONDS * 2.0 ** min(self._failures, 10), LONGEST_RETRY_SECONDS)
        self._failures += 1
        self._stale.update(run.id for run in self.state.all_runs() if not run.exited)
        self._stale.update(sandbox.id for sandbox in self.state.sandboxes)
        await self._shared.clock.sleep(seconds)

    async def _wait(self, planned: Plan) -> None:
        if planned.wake_at is None:
            await self._wake.wait()
            return
        seconds = planned.wake_at - self._shared.now()
        try:
            await wait_for(self._shared.clock, self._wake.wait(), max(seconds, 0.0))
        except TimeoutError:
            return

    # Status

    def pod_with_status(self) -> Pod:
        """The Pod with the kubelet's last status; conditions of other components as in the API."""
        if self.status is None:
            return self.pod
        foreign = [condition for condition in self.pod.status.conditions if condition.type not in OWN]
        own = [condition for condition in self.status.conditions if condition.type in OWN]
        return msgspec.structs.replace(self.pod, status=msgspec.structs.replace(self.status, conditions=foreign + own))

    def publish_status(self, *, intermediate: bool = False) -> None:
        """Publish the observed status if it changed; `intermediate`: another change follows soon."""
        status = pod_status(self.pod_with_status(), self.state, self._shared.facts, self._shared.now())
        if self.status is None and self._nothing_new(status):
            self.status = status
        if status != self.status:
            self.status = status
            if not self._removed_from_api:
                self._shared.publisher.publish(self.pod, status, intermediate=intermediate)

    def _nothing_new(self, status: PodStatus) -> bool:
        return status == self.pod.status


def _is_overwritten(old: PodStatus, new: PodStatus, told: PodStatus) -> bool:
    """Whether somebody changed what was already as this kubelet told it (the controller of nodes does, when a node is silent).
    A state on its way here that is older than what was told is not taken for that."""
    if any(getattr(old, name) == getattr(told, name) != getattr(new, name) for name in OWN_FIELDS):
        return True
    before, now = ({condition.type: condition.status for condition in status.conditions} for status in (old, new))
    return any(
        before.get(condition.type) == condition.status != now.get(condition.type) for condition in told.conditions if condition.type in OWN
    )
