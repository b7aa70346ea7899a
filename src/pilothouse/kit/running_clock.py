"""A clock at real speed that can be moved forward; timers that fall due on the way fire.

- Between two calls of `advance` sleepers are woken by the machine's own timers, so clients from outside see progress.
- While `advance` runs it is a VirtualClock: every sleeper is woken in the order of its deadline, and the loop comes to rest after each.
- It begins at the machine's time, so that ages and certificates look right to clients; after `advance` it is ahead of the machine's.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from pilothouse.kit.clock import Clock, SystemClock, Timer
from pilothouse.kit.virtual_clock import VirtualClock, VirtualTimer, fire


class RunningClock(VirtualClock):
    """A clock of one cluster; used from that cluster's loop only, except `now` and `monotonic`."""

    def __init__(self, machine: Clock | None = None) -> None:
        self._machine = machine or SystemClock()
        super().__init__(self._machine.now())
        self._since: float | None = self._machine.monotonic()
        """The machine's time at which `_elapsed` was right; None while `advance` moves the time."""
        self._alarm: Timer | None = None
        self._alarm_at = 0.0

    def monotonic(self) -> float:
        """Seconds since the start: the machine's, plus what was skipped by `advance`."""
        return self._elapsed if self._since is None else self._elapsed + self._machine.monotonic() - self._since

    def call_after(self, seconds: float, callback: Callable[[], object]) -> VirtualTimer:
        """Call `callback` after so many seconds of this clock, in the running loop."""
        self._catch_up()
        timer = super().call_after(seconds, callback)
        self._set_alarm()
        return timer

    async def yield_turn(self) -> None:
        """Wait until no task is ready (during `advance`), or let other tasks run once."""
        if self._since is None:
            await super().yield_turn()
        else:
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Move forward at once, doing in order all that falls due on the way."""
        self._catch_up()
        self._since = None
        try:
            await super().advance(seconds)
        finally:
            self._since = self._machine.monotonic()
            self._set_alarm()

    def _catch_up(self) -> None:
        if self._since is not None:
            now = self._machine.monotonic()
            self._elapsed += now - self._since
            self._since = now

    def _set_alarm(self) -> None:
        """Have the machine wake the next sleeper, unless it is to do so already."""
        deadline = self.next_deadline()
        if self._since is None or deadline is None or (self._alarm is not None and self._alarm_at <= deadline):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = deadline
        self._alarm = self._machine.call_after(deadline - self._elapsed, self._ring)

    def _ring(self) -> None:
        """Wake everybody whose time has come."""
        self._alarm = None
        if self._since is None:
            return
        self._catch_up()
        while self._timers and self._timers[0][0] <= self._elapsed:
            fire(heapq.heappop(self._timers)[2])
        self._set_alarm()
