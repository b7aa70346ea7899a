"""Interface of a long-running part of a cluster: an object with `async run()`.

- `run()` returns only when it is cancelled; an exception out of it is a bug and ends the process that runs it.
- Nothing is started before `run()` is called; ports, directories, clock and entropy are parameters of the constructor.
- All tasks of a component live in its own TaskGroup: none outlives it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol


class Component(Protocol):
    """Something that runs until it is cancelled."""

    async def run(self) -> None:
        """Work until cancelled; an exception means that the component failed."""
        ...


async def run_all(components: Iterable[Component]) -> None:
    """Run components side by side; the failure of one ends all."""
    async with asyncio.TaskGroup() as group:
        for component in components:
            group.create_task(component.run(), name=type(component).__name__)
