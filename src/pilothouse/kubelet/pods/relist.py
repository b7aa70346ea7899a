"""Periodic relist of the runtime, for changes that no event reported (upstream's generic PLEG).

- A container or sandbox that is not as its worker knows it is looked at again by that worker.
- What belongs to a pod that this kubelet does not know, at two looks in a row, is ended: some other kubelet or client left it.
- `healthy` says whether the runtime answered lately: the node's Ready condition and /healthz/syncloop ask.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from pilothouse.kit.clock import Clock
from pilothouse.kubelet.launch.fields import go_duration
from pilothouse.kubelet.pods.identity import POD_UID
from pilothouse.kubelet.pods.observed import PodState
from pilothouse.kubelet.runtime.containers import Container, ContainerState
from pilothouse.kubelet.runtime.port import Runtime, RuntimeFailure
from pilothouse.kubelet.runtime.sandboxes import Sandbox, SandboxState

log = logging.getLogger(__name__)
UNHEALTHY_SECONDS = 180.0
"""Upstream's relist threshold."""
IN_MOTION = {ContainerState.CREATED, ContainerState.RUNNING, ContainerState.UNKNOWN}


def changed(state: PodState, containers: dict[str, Container], sandboxes: dict[str, Sandbox]) -> list[str]:
    """Ids of a Pod's sandboxes and containers whose state differs from the list. Pure."""
    ids = []
    for run in state.all_runs():
        listed = containers.get(run.id)
        if run.state in IN_MOTION and (listed is None or listed.state is not run.state):
            ids.append(run.id)
    for sandbox in state.sandboxes:
        shown = sandboxes.get(sandbox.id)
        if sandbox.ready and (shown is None or shown.state is not SandboxState.READY):
            ids.append(sandbox.id)
    return ids


def unknown(sandboxes: Iterable[Sandbox], known: Callable[[str], bool]) -> set[str]:
    """Uids of Pods that have a sandbox of a kubelet but no worker. Pure."""
    uids = {sandbox.labels.get(POD_UID, "") for sandbox in sandboxes}
    return {uid for uid in uids if uid and not known(uid)}


class Relist:
    """Compares the runtime with what the workers know, at regular intervals (upstream's generic PLEG).

    `states` are the workers' by uid; `stale` tells a worker what to look at again; `end` ends an unknown pod.
    """

    def __init__(
        self,
        runtime: Runtime,
        clock: Clock,
        seconds: float,
        *,
        states: Callable[[], Iterable[tuple[str, PodState]]],
        stale: Callable[[str, str], None],
        known: Callable[[str], bool],
        end: Callable[[str, Sequence[Sandbox]], Awaitable[None]],
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._seconds = seconds
        self._states = states
        self._stale = stale
        self._known = known
        self._end = end
        self._suspects: set[str] = set()
        self._active_at = clock.monotonic()
        """When the runtime answered last; at first when this kubelet began."""

    def problem(self) -> str:
        """ "" while healthy, else the message of upstream's PLEG health check."""
        elapsed = self._clock.monotonic() - self._active_at
        if elapsed <= max(UNHEALTHY_SECONDS, 2 * self._seconds):
            return ""
        seen = f"pleg was last seen active {go_duration(float(int(elapsed)))} ago; threshold is {go_duration(UNHEALTHY_SECONDS)}"
        return f"PLEG is not healthy: {seen}"

    async def run(self) -> None:
        """Compare the runtime with the workers at every period until cancelled."""
        while True:
            await self._clock.sleep(self._seconds)
            try:
                await self.relist()
            except RuntimeFailure as error:
                log.warning("containers cannot be listed", extra={"error": str(error)})

    async def relist(self) -> None:
        """One relist."""
        sandboxes = {sandbox.id: sandbox for sandbox in await self._runtime.list_pod_sandboxes()}
        containers = {container.id: container for container in await self._runtime.list_containers()}
        self._active_at = self._clock.monotonic()
        for uid, state in self._states():
            for identifier in changed(state, containers, sandboxes):
                self._stale(uid, identifier)
        suspects = unknown(sandboxes.values(), self._known)
        for uid in suspects & self._suspects:
            log.warning("ending a pod that nobody knows", extra={"uid": uid})
            await self._end(uid, [sandbox for sandbox in sandboxes.values() if sandbox.labels.get(POD_UID) == uid])
        self._suspects = suspects
