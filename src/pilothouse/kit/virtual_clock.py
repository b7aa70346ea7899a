"""Virtual time for a cluster in one process: a clock that moves only when told to.

- `advance(seconds)` wakes every sleeper in the order of its deadline, those of one moment together in the order in which they
  went to sleep, and lets the loop come to rest after each moment: what it causes has happened before the next.
- At rest means: no callback of the loop is ready. Whoever waits for a socket or a thread is not seen as busy, unless it holds the time
  meanwhile (`paused`): so webhooks are answered before the time moves on.
- Whoever waits in `rest()` goes on when all others are at rest, before time moves.
- What is ready is run in one callback of the loop, in the loop's own order: a turn of the loop for each step, with its look
  at the sockets, would cost more than the steps. Sockets get their turn once in SLICE callbacks, and at the beginning and end.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
CALLBACKS_LIMIT = 20_000_000
"""Callbacks that one settling may take before it is called a livelock."""
SLICE = 1_000
IDLE_TURNS_LIMIT = 10_000
"""Turns after which who rests goes on though others never do."""


class VirtualTimer:
    """A timer of the virtual clock (`kit.clock.Timer`)."""

    __slots__ = ("callback", "done")

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.done = False

    def cancel(self) -> None:
        """Keep the callback from being called."""
        self.done = True


class VirtualClock:
    """A virtual clock of one cluster; used from that cluster's loop only."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._start = start
        self._elapsed = 0.0
        self._now = (0.0, start)
        self._order = itertools.count()
        self._timers: list[tuple[float, int, VirtualTimer]] = []
        self._resting: list[asyncio.Future[None]] = []
        self._holds = 0
        self._on_release: list[Callable[[], object]] = []

    def now(self) -> datetime:
        """The virtual wall time, in UTC."""
        elapsed = self.monotonic()
        at, now = self._now
        if at != elapsed:  # many ask at one moment
            now = self._start + timedelta(seconds=elapsed)
            self._now = (elapsed, now)
        return now

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return self._elapsed

    def jump(self, seconds: float) -> None:
        """Set the wall time forward, or back where negative, as NTP, an operator or the end of a suspend does; no timer notices."""
        self._start += timedelta(seconds=seconds)
        self._now = (self._elapsed, self._start + timedelta(seconds=self._elapsed))

    async def sleep(self, seconds: float) -> None:
        """Sleep until the clock has been moved that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_after(seconds, partial(wake, woken))
        try:
            await woken
        finally:
            timer.done = True

    def call_after(self, seconds: float, callback: Callable[[], object]) -> VirtualTimer:
        """Call `callback` when the clock has been moved that far; at once when the time is not positive."""
        timer = VirtualTimer(callback)
        heapq.heappush(self._timers, (self._elapsed + max(seconds, 0.0), next(self._order), timer))
        if seconds <= 0:  # due already, also while time stands still
            asyncio.get_running_loop().call_soon(fire, timer)
        return timer

    async def yield_turn(self) -> None:
        """Wait until no task of the loop is ready any more."""
        loop = asyncio.get_running_loop()
        rested: asyncio.Future[None] = loop.create_future()
        self._resting.append(rested)
        if len(self._resting) == 1:
            loop.call_soon(self._resume_when_idle, loop, 0)
        await rested

    def _resume_when_idle(self, loop: Any, turns: int) -> None:
        """Wait behind all that is ready, until nothing is."""
        if loop._ready and turns < IDLE_TURNS_LIMIT:
            loop.call_soon(self._resume_when_idle, loop, turns + 1)
            return
        resting, self._resting = self._resting, []
        for future in resting:
            if not future.done():
                future.set_result(None)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While the block runs the time does not move, and the cluster is not at rest."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds:
                waiting, self._on_release = self._on_release, []
                for go_on in waiting:
                    go_on()

    async def wait_until_idle(self) -> None:
        """Return when the running loop has nothing left to do, and nobody holds the time."""
        await wait_until_idle()
        while self._holds:
            released = asyncio.Event()
            self._on_release.append(released.set)
            await released.wait()
            await wait_until_idle()

    def next_deadline(self) -> float | None:
        """Monotonic time at which the next sleeper wakes; None when nobody sleeps."""
        while self._timers and self._timers[0][2].done:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    async def advance(self, seconds: float) -> None:
        """Move the time forward by `seconds`, waking sleepers on the way."""
        await self.wait_until_idle()
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[None] = loop.create_future()
        loop.call_soon(self._drive, loop, self._elapsed + seconds, arrived, 0)
        await arrived
        await self.wait_until_idle()

    def _drive(self, loop: Any, until: float, arrived: asyncio.Future[None], busy: int) -> None:
        """Run what is ready, wake the next, and so on; after a slice of it give way to the sockets. `busy`: callbacks without rest."""
        waiting, left = len(loop._ready), SLICE
        try:
            while not arrived.done():
                ran = _run_ready(loop, left)
                left -= ran
                busy += ran
                if left <= 0:
                    _go_on(arrived, busy, partial(loop.call_soon, self._drive, loop, until, arrived, busy))
                    return
                busy = 0
                if self._holds:  # the loop looks at its sockets until the last of them is released
                    self._on_release.append(partial(loop.call_soon, self._drive, loop, until, arrived, 0))
                    return
                deadline = self.next_deadline()
                if deadline is None or deadline > until:
                    self._elapsed = until
                    arrived.set_result(None)
                    return
                self._elapsed = max(self._elapsed, deadline)
                while self._timers and self._timers[0][0] <= self._elapsed:
                    fire(heapq.heappop(self._timers)[2])
        finally:
            _fill(loop, waiting)


async def wait_until_idle() -> None:
    """Return when the running loop has nothing left to do but wait."""
    loop = asyncio.get_running_loop()
    quiet = 0
    while quiet < 2:  # one turn for what a selector event may have queued
        rested: asyncio.Future[int] = loop.create_future()
        loop.call_soon(_run_until_idle, loop, rested, 0)
        quiet = 0 if await rested else quiet + 1


def _run_until_idle(loop: Any, rested: asyncio.Future[int], busy: int) -> None:
    """Run what is ready until nothing is; `rested` tells how much that was."""
    waiting = len(loop._ready)
    try:
        ran = _run_ready(loop, SLICE)
        if ran < SLICE:
            if not rested.done():
                rested.set_result(busy + ran)
        else:
            _go_on(rested, busy + ran, partial(loop.call_soon, _run_until_idle, loop, rested, busy + ran))
    finally:
        _fill(loop, waiting)


def _go_on(waiter: asyncio.Future[Any], busy: int, again: Callable[[], Any]) -> None:
    if busy < CALLBACKS_LIMIT:
        again()
    elif not waiter.done():
        waiter.set_exception(RuntimeError("the loop does not come to rest: some task is spinning"))


def wake(sleeper: asyncio.Future[None]) -> None:
    """End a sleep, unless the sleeper was cancelled at that very moment."""
    if not sleeper.done():
        sleeper.set_result(None)


def fire(timer: VirtualTimer) -> None:
    """Call the timer's callback; an exception is reported and stops no other timer."""
    if not timer.done:
        timer.done = True
        try:
            timer.callback()
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler({"message": "a timer's callback failed", "exception": error})


def _run_ready(loop: Any, limit: int) -> int:
    """Run at most `limit` callbacks that are ready, and those that become so; how many."""
    ready = loop._ready
    ran = 0
    while ready and ran < limit:
        handle = ready.popleft()
        if not handle._cancelled:
            handle._run()
        ran += 1
    return ran


def _fill(loop: Any, waiting: int) -> None:
    """The loop counted what was ready when its turn began, and will take as many: let it not take from nothing."""
    while len(loop._ready) < waiting:
        loop.call_soon(_nothing)


def _nothing() -> None:
    return
