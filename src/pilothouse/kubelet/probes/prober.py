"""Probe manager: runs all probes at their periods, and wakes Pod workers when a result changes.

- One task per probe of a running container; it ends with the container. Time is the injected clock's.
- Liveness waits, and readiness is not believed, until the startup probe has succeeded.
- A result counts after so many equal ones in a row (successThreshold, failureThreshold); what a result means is the planner's.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass

from pilothouse.api.types.core_v1 import ContainerStatus, Pod, Probe
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.launch.launcher import pod_ips
from pilothouse.kubelet.pods.observed import Probed, Run
from pilothouse.kubelet.pods.spec import container_of, is_sidecar
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.pods.worker import PodWorker
from pilothouse.kubelet.probes.port import Network
from pilothouse.kubelet.probes.runner import ProbeRunner
from pilothouse.kubelet.runtime.port import Runtime
from pilothouse.kubelet.server.node_stats import ProbeCount

log = logging.getLogger(__name__)
STARTUP, LIVENESS, READINESS = "Startup", "Liveness", "Readiness"
COUNTED_AS = {"success": "successful", "failure": "failed", "unknown": "unknown"}


@dataclass(slots=True)
class Watch:
    """The probes of one container."""

    uid: str
    tasks: list[asyncio.Task[None]]
    started: asyncio.Event


class Prober:
    """Runs the probes of all containers at their periods (upstream's prober manager).

    At most three tasks for each running container of the node.
    """

    def __init__(self, runtime: Runtime, network: Network, clock: Clock) -> None:
        self._runner = ProbeRunner(runtime, network, clock)
        self._clock = clock
        self.counts: Counter[ProbeCount] = Counter()
        """Answers so far, of the pods that are here."""
        self._watched: dict[str, Watch] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Run the probes of all containers until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            await asyncio.Event().wait()

    def observe(self, worker: PodWorker) -> None:
        """Start probing new containers of the Pod, and stop probing ended ones."""
        alive = {run.id: run for run in worker.state.all_runs() if run.running}
        for run_id in [known_id for known_id, watch in self._watched.items() if watch.uid == worker.uid and known_id not in alive]:
            self._stop(run_id)
            worker.state.probes.pop(run_id, None)
        if worker.state.ending is not None:
            self._end(worker)
            return
        for run in alive.values():
            container = container_of(worker.pod, run.name)
            if run.id not in self._watched and container is not None and _is_probed(worker.pod, container):
                self._begin(worker, container, run)

    def forget(self, uid: str) -> None:
        """Stop all probes of a Pod that is gone."""
        for run_id in [known_id for known_id, watch in self._watched.items() if watch.uid == uid]:
            self._stop(run_id)
        for count in [counted for counted in self.counts if counted.pod_uid == uid]:
            del self.counts[count]

    def _end(self, worker: PodWorker) -> None:
        """An ending pod is not restarted, so only its readiness is of interest any more."""
        for watch in self._watched.values():
            if watch.uid == worker.uid:
                for task in watch.tasks:
                    if not task.get_name().startswith(READINESS):
                        task.cancel()

    def _stop(self, run_id: str) -> None:
        for task in self._watched.pop(run_id).tasks:
            task.cancel()

    def _begin(self, worker: PodWorker, container: AnyContainer, run: Run) -> None:
        probes = {STARTUP: container.startupProbe, LIVENESS: container.livenessProbe, READINESS: container.readinessProbe}
        state = worker.state.probes.setdefault(run.id, Probed())
        before = self._before(worker, run)
        if container.startupProbe is not None:
            state.started = before
        if container.readinessProbe is not None:
            state.ready = before and self._was_ready(worker, run)
        watch = self._watched[run.id] = Watch(worker.uid, [], asyncio.Event())
        if container.startupProbe is None or state.started:
            watch.started.set()
        assert self._group is not None
        for kind, probe in probes.items():
            if probe is not None:
                work = self._watch(worker, container, run, kind, probe, watch)
                watch.tasks.append(self._group.create_task(work, name=f"{kind} probe of {container.name}"))

    def _before(self, worker: PodWorker, run: Run) -> bool:
        """Whether the API shows this very run as started: so it was before this kubelet began."""
        return any(status.containerID.endswith(f"//{run.id}") and bool(status.started) for status in _statuses(worker))

    def _was_ready(self, worker: PodWorker, run: Run) -> bool:
        return any(status.containerID.endswith(f"//{run.id}") and status.ready for status in _statuses(worker))

    async def _watch(self, worker: PodWorker, container: AnyContainer, run: Run, kind: str, probe: Probe, watch: Watch) -> None:
        """The life of one probe."""
        if kind == STARTUP and watch.started.is_set():
            return
        if kind != STARTUP:
            await watch.started.wait()
        elapsed = max(self._clock.now().timestamp() - run.started_at, 0.0)  # less than nothing after the clock was set back
        await self._clock.sleep((probe.initialDelaySeconds or 0) - elapsed)
        period = float(probe.periodSeconds or 10)
        last, count = "", 0
        while True:
            began = self._clock.monotonic()
            outcome = await self._ask_safely(worker, container, run, kind, probe)
            meta = worker.pod.metadata
            self.counts[ProbeCount(meta.uid, meta.namespace, meta.name, container.name, kind, COUNTED_AS[outcome])] += 1
            if outcome != "unknown":
                count = count + 1 if outcome == last else 1
                last = outcome
                threshold = (probe.failureThreshold or 3) if outcome == "failure" else (probe.successThreshold or 1)
                if count >= threshold and self._conclude(worker, run, kind, outcome, watch):
                    return
            await self._clock.sleep(period - (self._clock.monotonic() - began))

    async def _ask_safely(self, worker: PodWorker, container: AnyContainer, run: Run, kind: str, probe: Probe) -> str:
        """A probe that brings a bug to light counts for nothing, and harms no other pod."""
        try:
            return await self._ask(worker, container, run, kind, probe)
        except Exception:
            log.exception("a probe could not be made", extra={"pod": worker.pod.metadata.name, "container": container.name})
            return "unknown"

    async def _ask(self, worker: PodWorker, container: AnyContainer, run: Run, kind: str, probe: Probe) -> str:
        """success, failure, or unknown, which counts for nothing; tells the Unhealthy event."""
        pod = worker.pod
        ips = pod_ips(worker.pod_runtime.shared, pod, worker.state)
        answer = await self._runner.run(pod, container, run, probe, kind.lower(), ips[0] if ips else "")
        if answer.unknown or answer.failed or answer.error:
            said = f"errored and resulted in unknown state: {answer.unknown}" if answer.unknown else f"failed: {answer.error}"
            if worker.state.ending is None or kind == READINESS:
                worker.pod_runtime.record_event("Warning", "Unhealthy", f"{kind} probe {said}", container)
            return "unknown" if answer.unknown else "failure"
        if answer.warning:
            worker.pod_runtime.record_event("Warning", "ProbeWarning", f"{kind} probe warning: {answer.warning}", container)
        return "success"

    def _conclude(self, worker: PodWorker, run: Run, kind: str, outcome: str, watch: Watch) -> bool:
        """Note what the result means; whether this probe has nothing more to ask."""
        state = worker.state.probes.setdefault(run.id, Probed())
        good = outcome == "success"
        if kind == READINESS:
            if state.ready is not good:
                state.ready = good
                worker.wake()
            return False
        if not good:
            state.failed = kind
            worker.wake()
            return True
        if kind == STARTUP:
            state.started = True
            watch.started.set()
            worker.wake()
            return True
        return False


def _is_probed(pod: Pod, container: AnyContainer) -> bool:
    """Containers and sidecars; other init containers and ephemeral containers have no probes."""
    if not (container.startupProbe or container.livenessProbe or container.readinessProbe):
        return False
    return container in pod.spec.containers or is_sidecar(container)


def _statuses(worker: PodWorker) -> list[ContainerStatus]:
    status = worker.pod.status
    return [*status.containerStatuses, *status.initContainerStatuses]
