"""The requests that are being answered: how many may be at once, and how long each may take.

- At most so many reading and so many changing requests at a time (upstream's defaults 400 and 200); one more is refused with 429.
- Watches and streams count neither for the limits nor for the time.
- A request over its time is cancelled by one sweeper for all: a timer a request would cost more than most requests do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from pilothouse.kit.clock import Clock

READING_LIMIT = 400
CHANGING_LIMIT = 200
TIME_LIMIT_SECONDS = 60.0
"""Upstream's --request-timeout."""
SWEEP_SECONDS = 5.0
"""How late the sweeper may be."""


@dataclass(slots=True)
class InFlight:
    """Counts what is being answered and ends what takes too long."""

    reading_limit: int = READING_LIMIT
    changing_limit: int = CHANGING_LIMIT
    time_limit_seconds: float = TIME_LIMIT_SECONDS
    reading: int = 0
    changing: int = 0
    deadlines: dict[asyncio.Task[object], float] = field(default_factory=dict)
    """Task -> the moment after which it is cancelled; in the order of arrival, and so mostly of deadlines."""
    overdue: set[asyncio.Task[object]] = field(default_factory=set)
    _arrival: asyncio.Event = field(default_factory=asyncio.Event)

    def watch_over(self, task: asyncio.Task[object], deadline: float) -> None:
        """Cancel `task` when `deadline` has passed, unless `release` comes first."""
        if not self.deadlines:
            self._arrival.set()
        self.deadlines[task] = deadline

    def release(self, task: asyncio.Task[object]) -> bool:
        """Forget a task; whether it had been cancelled for being overdue."""
        self.deadlines.pop(task, None)
        if task in self.overdue:
            self.overdue.discard(task)
            return True
        return False

    async def sweep(self, clock: Clock) -> None:
        """Runs as long as the server does; sleeps while nothing is being answered."""
        while True:
            self._arrival.clear()
            if not self.deadlines:
                await self._arrival.wait()
            await clock.sleep(SWEEP_SECONDS)
            now = clock.monotonic()
            for task in [task for task, deadline in self.deadlines.items() if deadline < now]:
                del self.deadlines[task]
                self.overdue.add(task)
                task.cancel()
