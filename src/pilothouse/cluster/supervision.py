"""The supervisor of one cluster: starts control plane and node agent again when they end, with back-off.

- It outlives `up`, and is no parent of what it watches: processes are found by their pid files, their end is told by the kernel.
- It starts nothing once `down` took the mark `wanted` away, and nothing while another command changes the cluster (the same lock).
- A process that a signal has stopped (SIGSTOP) for STOPPED_LOOKS looks, or an API or kubelet that fails as many liveness probes as
  kubeadm's static pod may, is killed and started again. containerd is started again by the node agent.
- Who starts the supervisor again: the control plane (cmd/controlplane.py), and the next `up`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from pilothouse.cluster import launch
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.launch import CONTAINERD, CONTROL_PLANE, NODE_AGENT, PROCESSES
from pilothouse.cluster.node import make_node
from pilothouse.cluster.readiness import Api, kubelet_answers
from pilothouse.cluster.repair import NetworkRepair
from pilothouse.cluster.state import ClusterState, Places, load, locked
from pilothouse.kit.clock import Clock
from pilothouse.kit.restarts import BackOff
from pilothouse.node import processes

log = logging.getLogger(__name__)

START_SECONDS = 30.0
"""What a process gets to serve."""
LOOK_SECONDS = 5.0
STOPPED_LOOKS = 3
PROBE_SECONDS = 10.0
PROBE_TIMEOUT_SECONDS = 15.0
PROBE_FAILURES = 8
"""kubeadm's livenessProbe of kube-apiserver: periodSeconds 10, timeoutSeconds 15, failureThreshold 8. The kubelet's is the same."""


class Supervision:
    """Supervisor of one cluster's processes. `run` returns when `down` has ended the cluster."""

    def __init__(self, places: Places, clock: Clock) -> None:
        self._places = places
        self._clock = clock

    async def run(self) -> None:
        """Keep the processes running until the cluster is stopped."""
        async with asyncio.TaskGroup() as group:
            state = load(self._places)
            repairs = NetworkRepair(self._places, state, self._clock).run() if state is not None and not state.simulated else None
            beside = [group.create_task(self._end_stopped(), name="stopped")]
            for name, check in (self.probes(state) if state is not None else {}).items():
                beside.append(group.create_task(self.probe(name, check), name=f"probe of {name}"))
            if repairs is not None:
                beside.append(group.create_task(repairs, name="network"))
            served = launch.processes_of(state)
            keepers = [group.create_task(self._keep(name), name=name) for name in served]
            await asyncio.wait(keepers)
            for task in beside:
                task.cancel()

    async def _keep(self, name: str) -> None:
        """Start a process again whenever it ends, while the cluster is wanted."""
        back_off = BackOff()
        since = self._clock.monotonic()
        while self._places.wanted.exists():
            process = launch.running(self._places, name)
            if process is not None:
                since = self._clock.monotonic()
                await processes.ended(process)
                processes.reap(process)
            delay = back_off.next_delay(self._clock.monotonic() - since)
            await self._clock.sleep(delay)
            since = self._clock.monotonic()
            if launch.running(self._places, name) is None and self._places.wanted.exists():
                log.warning("%s has ended: starting it again", name, extra={"restarts": back_off.restarts})
                try:
                    await asyncio.to_thread(self._start, name)
                except Exception as failure:  # whatever it is: this must go on
                    log.error("%s does not start", name, extra={"error": repr(failure)})

    def _start(self, name: str) -> None:
        """Start it unless somebody else did, or took the cluster down, while the lock was waited for. ProcessFailure has its log's end."""
        with locked(self._places, lambda _: None):
            state = load(self._places)
            if state is None or not self._places.wanted.exists() or launch.running(self._places, name):
                return
            launch.end_orphans(self._places)
            if not state.simulated:
                make_node(state, self._places)
            started = launch.start(name, self._places, state)
            started.go()
        started.wait(START_SECONDS)
        log.info("%s serves again", name, extra={"id": started.process.id})

    async def _end_stopped(self) -> None:
        """Kill what a signal holds for several looks: its keeper starts it again."""
        looks: dict[processes.Process, int] = {}
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            named = {name: launch.running(self._places, name) for name in (*PROCESSES, CONTAINERD)}
            stopped = {process: name for name, process in named.items() if process is not None and processes.is_stopped(process)}
            looks = {process: looks.get(process, 0) + 1 for process in stopped}
            for process, name in stopped.items():
                if looks[process] >= STOPPED_LOOKS:
                    await self._kill(name, process, "a signal has stopped it")

    def probes(self, state: ClusterState) -> dict[str, Callable[[], bool]]:
        """The liveness probe of each process that serves."""
        agent = {} if state.simulated else {NODE_AGENT: lambda: kubelet_answers(state, self._places, PROBE_TIMEOUT_SECONDS)}
        return {CONTROL_PLANE: lambda: Api(state, self._places).get("/livez", PROBE_TIMEOUT_SECONDS) == "ok", **agent}

    async def probe(self, name: str, check: Callable[[], bool]) -> None:
        """Kill the process `name` whenever it fails its liveness probe too often in a row."""
        failures, probed = 0, None
        while True:
            await self._clock.sleep(PROBE_SECONDS)
            process = launch.running(self._places, name)
            failures, probed = failures if process == probed else 0, process
            failures = failures + 1 if process is not None and not await asyncio.to_thread(_passes, check) else 0
            if process is not None and failures >= PROBE_FAILURES:
                await self._kill(name, process, "it fails its liveness probe")
                failures = 0

    async def _kill(self, name: str, process: processes.Process, why: str) -> None:
        if self._places.wanted.exists():
            log.error("%s is killed and started again: %s", name, why, extra={"id": process.id})
            await asyncio.to_thread(processes.kill, [process])


def _passes(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except (OSError, ValueError, ClusterFailure):
        return False
