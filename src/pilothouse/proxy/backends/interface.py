"""Interface of a proxy backend, which treats packets as the plans say. One implementation in each file."""

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
        """One item each time that another process removed rules of this backend; never polls."""
        ...

    def close(self) -> None:
        """Take everything out."""
        ...


class BackendError(Exception):
    """The kernel (or the library in front of it) refused; the message says what."""
