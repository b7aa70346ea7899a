"""What a proxy backend promises: that packets are treated as the plans say. One implementation a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from pilothouse.proxy.planner import PortKey, PortPlan


class Backend(Protocol):
    """Puts plans into effect in the network namespace that the process is in."""

    def replace(self, plans: Mapping[PortKey, PortPlan]) -> None:
        """Make these plans, and nothing else, hold; whatever was there before. BackendError when the kernel refuses."""
        ...

    def apply(self, changes: Mapping[PortKey, PortPlan | None]) -> None:
        """Change these ports (None removes) in one step: no packet sees half of it. Costs by the changes, not by what is there."""
        ...

    def disturbances(self) -> AsyncIterator[None]:
        """One item each time that somebody else took away what this backend put in place; never polls."""
        ...

    def close(self) -> None:
        """Take everything out."""
        ...


class BackendError(Exception):
    """The kernel (or the library in front of it) refused; the message says what."""
