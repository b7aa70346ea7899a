"""Removes what is left of Pods besides what the runtime lists: shims of forgotten sandboxes, and cgroups of Pods that are gone.

A thing is taken for left over only when it was so at two looks in a row: a sandbox that is just being made has a shim before it is listed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Protocol

from pilothouse.kit.blocking import BlockingCalls
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.cgroups import Cgroups
from pilothouse.kubelet.launch.resources import ROOT
from pilothouse.kubelet.runtime.port import Runtime, RuntimeFailure

log = logging.getLogger(__name__)
LOOK_SECONDS = 60.0
CALL_SECONDS = 30.0
CLASSES = ("", "/burstable", "/besteffort")
POD = "pod"


class ShimProcesses(Protocol):
    """Shims of the container runtime (node/shims.py). Calls block."""

    def ids(self) -> set[str]:
        """Ids of the sandboxes and containers that have a running shim."""

    def end(self, identifier: str) -> None:
        """Kill a shim with its containers, and remove its files."""


class NoShims:
    """For runtimes without shims that the kubelet may end."""

    def ids(self) -> set[str]:
        """Always none."""
        return set()

    def end(self, identifier: str) -> None:
        """Do nothing."""
        return


def left_over(present: Collection[str], wanted: Collection[str], before: Collection[str]) -> tuple[set[str], set[str]]:
    """(names to remove now, names to remove at the next look if they are still there). Pure."""
    suspects = {name for name in present if name not in wanted}
    ended = suspects & {*before}
    return ended, suspects - ended


class Leftovers:
    """Removes shims and cgroups that belong to no Pod. `known` says whether a uid is that of a Pod of this kubelet."""

    def __init__(
        self,
        runtime: Runtime,
        cgroups: Cgroups,
        shims: ShimProcesses,
        calls: BlockingCalls,
        clock: Clock,
        cgroup_root: str,
        known: Callable[[str], bool],
    ) -> None:
        self._runtime = runtime
        self._cgroups = cgroups
        self._shims = shims
        self._calls = calls
        self._clock = clock
        self._cgroup_root = cgroup_root
        self._known = known
        self._suspected_shims: set[str] = set()
        self._suspected_pods: set[str] = set()

    async def run(self) -> None:
        """Look for leftovers at every period until cancelled."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            try:
                await self.sweep()
            except (RuntimeFailure, OSError) as error:
                log.warning("leftovers are not looked for", extra={"error": str(error)})

    async def sweep(self) -> None:
        """One look."""
        await self._end_shims()
        await self._end_groups()

    async def _end_shims(self) -> None:
        shim_ids = await self._calls.run("shims", CALL_SECONDS, self._shims.ids)
        if not shim_ids:
            return
        listed = {sandbox.id for sandbox in await self._runtime.list_pod_sandboxes()}
        listed |= {container.id for container in await self._runtime.list_containers()}
        ended, self._suspected_shims = left_over(shim_ids, listed, self._suspected_shims)
        for identifier in ended:
            log.warning("ending a shim of no sandbox", extra={"id": identifier})
            await self._calls.run("shims", CALL_SECONDS, self._shims.end, identifier)

    async def _end_groups(self) -> None:
        paths = {}
        for middle in CLASSES:
            parent = f"{self._cgroup_root}/{ROOT}{middle}"
            names = await self._cgroups.children(parent)
            paths.update({name.removeprefix(POD): f"{parent}/{name}" for name in names if name.startswith(POD)})
        wanted = {uid for uid in paths if self._known(uid)}
        ended, self._suspected_pods = left_over(paths, wanted, self._suspected_pods)
        for uid in ended:
            log.warning("removing the control group of a pod that is no more", extra={"uid": uid})
            await self._cgroups.remove(paths[uid])
