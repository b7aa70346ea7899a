"""The port to control groups: what the kubelet needs of them, and a stand-in that has none (node/cgroups.py has real ones)."""

from __future__ import annotations

from typing import Protocol


class Cgroups(Protocol):
    """Paths begin with a slash and are relative to the root of the hierarchy; zero means no limit. Failures are OSError."""

    def ensure(
        self,
        path: str,
        cpu_shares: int = 0,
        cpu_quota: int = 0,
        cpu_period: int = 0,
        memory_limit: int = 0,
        pids_limit: int = 0,
    ) -> None:
        """Make the group, its parents, and set its limits."""
        ...

    def remove(self, path: str) -> None:
        """Remove the group and what is below it; processes left in it are killed first. What is gone is no failure."""
        ...


class NoCgroups:
    """For simulated nodes."""

    def ensure(
        self,
        path: str,
        cpu_shares: int = 0,
        cpu_quota: int = 0,
        cpu_period: int = 0,
        memory_limit: int = 0,
        pids_limit: int = 0,
    ) -> None:
        return

    def remove(self, path: str) -> None:
        return
