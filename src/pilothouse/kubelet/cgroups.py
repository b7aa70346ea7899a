"""Control groups as the kubelet needs them, and an implementation without any; node/cgroups.py has the real one."""

from __future__ import annotations

from typing import Protocol

from pilothouse.kit.blocking import BlockingCalls
from pilothouse.node.cgroups import NO_LIMITS, Limits

CGROUP_SECONDS = 30.0
"""The kernel keeps whoever makes or removes a group waiting while others do."""


class BlockingCgroups(Protocol):
    """Control groups whose calls block. Paths begin with a slash and are relative to the root of the hierarchy; zero means no limit."""

    def ensure(self, path: str, limits: Limits = NO_LIMITS) -> None:
        """Make the group, its parents, and set its limits."""
        ...

    def remove(self, path: str) -> None:
        """Remove the group and what is below it; processes left in it are killed first. What is gone is no failure."""
        ...

    def processes(self, path: str) -> int:
        """How many processes and threads are in the group and below it."""
        ...

    def children(self, path: str) -> list[str]:
        """Names of the groups in it; empty when there is no such group."""
        ...


class Cgroups(Protocol):
    """Control groups, asynchronously. Failures are OSError."""

    async def ensure(self, path: str, limits: Limits = NO_LIMITS) -> None:
        """Make the group `path` and set its limits: shares, quota and period in µs, memory in bytes, processes; 0 means no limit."""

    async def remove(self, path: str) -> None:
        """Kill the processes in the group and remove it with the groups below it."""

    async def processes(self, path: str) -> int:
        """Number of processes and threads in the group and in those below it."""

    async def children(self, path: str) -> list[str]:
        """Names of the groups directly below; none when it does not exist."""


class ThreadedCgroups:
    """Control groups whose calls are made in threads."""

    def __init__(self, groups: BlockingCgroups, calls: BlockingCalls) -> None:
        self._groups = groups
        self._calls = calls

    async def ensure(self, path: str, limits: Limits = NO_LIMITS) -> None:
        """Make the group and set its limits, in a thread. Raises OSError, also after CGROUP_SECONDS."""
        await self._calls.run(path, CGROUP_SECONDS, self._groups.ensure, path, limits)

    async def remove(self, path: str) -> None:
        """Remove the group, in a thread. Raises OSError, also after CGROUP_SECONDS."""
        await self._calls.run(path, CGROUP_SECONDS, self._groups.remove, path)

    async def processes(self, path: str) -> int:
        """Number of processes and threads in the group, read in a thread. Raises OSError."""
        return await self._calls.run(path, CGROUP_SECONDS, self._groups.processes, path)

    async def children(self, path: str) -> list[str]:
        """Names of the groups directly below, read in a thread. Raises OSError."""
        return await self._calls.run(path, CGROUP_SECONDS, self._groups.children, path)


class NoCgroups:
    """No control groups, for simulated nodes."""

    async def ensure(self, path: str, limits: Limits = NO_LIMITS) -> None:
        """Do nothing."""
        return

    async def remove(self, path: str) -> None:
        """Do nothing."""
        return

    async def processes(self, path: str) -> int:
        """Always 0."""
        return 0

    async def children(self, path: str) -> list[str]:
        """Always none."""
        return []
