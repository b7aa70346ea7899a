"""Restarts with back-off: of components inside a process, and the delays that a supervisor of processes uses.

- A component that fails is made anew and run again; what runs beside it does not notice.
- The first restart comes after FIRST_SECONDS, each next one after twice the delay, at most LONGEST_SECONDS.
- What ran for STEADY_SECONDS before it failed begins with the first delay again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from pilothouse.kit.clock import Clock
from pilothouse.kit.component import Component, run_all

log = logging.getLogger(__name__)

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 60.0
STEADY_SECONDS = 60.0

Make = Callable[[], Awaitable[Sequence[Component]]]


class BackOff:
    """The delay before the next restart of one thing."""

    def __init__(self) -> None:
        self.restarts = 0
        """How often `next_delay` was asked."""
        self._failures = 0

    def next_delay(self, ran_seconds: float) -> float:
        """Seconds to wait now, for something that ran that long."""
        if ran_seconds >= STEADY_SECONDS:
            self._failures = 0
        delay = min(FIRST_SECONDS * 2.0 ** min(self._failures, 30), LONGEST_SECONDS)
        self._failures += 1
        self.restarts += 1
        return delay


async def keep_running(name: str, make: Make, clock: Clock) -> None:
    """Run the components that `make` gives, side by side, until cancelled; when one fails, end all, make them anew and run them."""
    back_off = BackOff()
    while True:
        since = clock.monotonic()
        try:
            await run_all(await make())
            log.error("%s ended by itself", name)
        except Exception:
            log.exception("%s failed", name)
        delay = back_off.next_delay(clock.monotonic() - since)
        log.warning("%s is started again", name, extra={"seconds": delay, "restarts": back_off.restarts})
        await clock.sleep(delay)


def once(first: Sequence[Component], make: Make) -> Make:
    """A `make` that returns `first` the first time, so that a failure to make it could be reported at the start."""
    waiting = [first]

    async def made() -> Sequence[Component]:
        return waiting.pop() if waiting else await make()

    return made


def in_loop(make: Callable[[], Sequence[Component]]) -> Make:
    """A `make` that runs where the components will: those that open channels at once need its loop."""

    async def made() -> Sequence[Component]:
        return make()

    return made


def in_thread(make: Callable[[], Sequence[Component]]) -> Make:
    """A `make` that runs in a thread: it imports what is heavy."""

    async def made() -> Sequence[Component]:
        return await asyncio.to_thread(make)

    return made
