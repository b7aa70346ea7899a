"""Orders and limits the calls to a container runtime that need much processor time.

- Containers of pods that have a sandbox are started first, then new sandboxes are made: of fifty pods that come at once the first ones run
  while the last ones still wait.
- Removals run when nothing is being started, few at a time; beside what starts only one runs, when it has waited
  REMOVAL_PATIENCE_SECONDS.
- A call that hangs gives its slot back after SLOT_SECONDS: a CNI plugin that never returns blocks no other pod.
- StopContainer, which waits through a grace period, holds no slot; beyond a burst such calls begin one after the other, so that fifty
  containers whose grace periods are equal do not end in the same instant; more slowly while Pods are started beside them.

Upstream bounds none of this. It decides only when a call begins: cri.py makes the calls.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pilothouse.kit.clock import Clock

SLOT_SECONDS = 4.0
REMOVAL_PATIENCE_SECONDS = 15.0
HEAD_START_SECONDS = {"CreateContainer": 0.0, "StartContainer": 0.0, "RunPodSandbox": 30.0}
"""Calls that start something: each is due so long after it came; the one that is due first goes first."""
REMOVALS = {"StopPodSandbox", "RemovePodSandbox", "RemoveContainer"}
STOP_BURST, STOP_CORE_SECONDS = 5, 0.2
"""What the end of a container costs the runtime, in seconds of one core."""
STOP_CORE_SECONDS_BESIDE_STARTS, LATELY_SECONDS = 0.4, 2.0
"""The same with room for Pods that start: while one does, or did so lately."""


@dataclass(slots=True, order=True)
class Waiter:
    """A CRI call that waits for its turn."""

    due: float
    number: int
    turn: asyncio.Future[None] = field(compare=False)
    removal: bool = field(compare=False)


class CallQueue:
    """Orders and bounds the concurrent calls to a container runtime.

    `cores` is what the machine has: 2 × cores + 2 calls run at once, of which at most `cores` remove something.
    """

    def __init__(self, clock: Clock, cores: int) -> None:
        self._clock = clock
        self._slots = 2 * cores + 2
        self._stop_interval = STOP_CORE_SECONDS / max(cores, 1)
        self._slow_stop_interval = STOP_CORE_SECONDS_BESIDE_STARTS / max(cores, 1)
        self._stop_turn = asyncio.Lock()
        self._started_at = float("-inf")
        self._removal_slots = max(cores, 1)
        self._starts: list[Waiter] = []
        self._removals: list[Waiter] = []
        self._starting = self._removing = 0
        self._numbers = itertools.count()
        self._next_stop = float("-inf")

    def starting(self) -> bool:
        """Whether something is being started, or waits for that."""
        return bool(self._starting or self._starts)

    @asynccontextmanager
    async def turn(self, method: str) -> AsyncIterator[None]:
        """Wait for the call's turn; the body of the block is the call. Cheap calls start at once."""
        if method == "StopContainer":
            await self._pace()
        elif method in HEAD_START_SECONDS:
            waiter = await self._waited(self._starts, HEAD_START_SECONDS[method], removal=False)
            with self._slot(waiter):
                yield
            return
        elif method in REMOVALS:
            waiter = await self._waited(self._removals, REMOVAL_PATIENCE_SECONDS, removal=True)
            with self._slot(waiter):
                yield
            return
        yield

    async def _pace(self) -> None:
        async with self._stop_turn:
            if (seconds := self._next_stop - self._clock.monotonic()) > 0:
                await self._clock.sleep(seconds)
            now = self._clock.monotonic()
            beside_starts = self.starting() or now - self._started_at < LATELY_SECONDS
            interval = self._slow_stop_interval if beside_starts else self._stop_interval
            self._next_stop = max(self._next_stop, now - STOP_BURST * interval) + interval

    async def _waited(self, queue: list[Waiter], seconds: float, *, removal: bool) -> Waiter:
        turn = asyncio.get_running_loop().create_future()
        waiter = Waiter(self._clock.monotonic() + seconds, next(self._numbers), turn, removal)
        heapq.heappush(queue, waiter)
        self._start_ready_calls()
        timer = None if turn.done() or not removal else self._clock.call_after(seconds, self._start_ready_calls)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._end(waiter)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        return waiter

    def _slot(self, waiter: Waiter) -> _Slot:
        return _Slot(self, waiter)

    def _start_ready_calls(self) -> None:
        while self._starting + self._removing < self._slots and (waiter := self._next()) is not None:
            if waiter.removal:
                self._removing += 1
            else:
                self._starting += 1
            waiter.turn.set_result(None)

    def _next(self) -> Waiter | None:
        """Taken off its queue; None when nothing may begin now."""
        for queue in (self._starts, self._removals):
            while queue and queue[0].turn.done():  # given up
                heapq.heappop(queue)
        room = self._removing < (1 if self._starting or self._starts else self._removal_slots)
        removal = self._removals[0] if self._removals and room else None
        overdue = removal is not None and removal.due <= self._clock.monotonic()
        if self._starts and not (overdue and removal is not None and removal.due < self._starts[0].due):
            return heapq.heappop(self._starts)
        if removal is not None and (overdue or not self._starting):
            return heapq.heappop(self._removals)
        return None

    def _end(self, waiter: Waiter) -> None:
        if waiter.removal:
            self._removing -= 1
        else:
            self._starting -= 1
            self._started_at = self._clock.monotonic()
        self._start_ready_calls()


class _Slot:
    """Held while a call runs, at most SLOT_SECONDS."""

    def __init__(self, queue: CallQueue, waiter: Waiter) -> None:
        self._queue, self._waiter, self._held = queue, waiter, True
        self._timer = queue._clock.call_after(SLOT_SECONDS, self._give_back)

    def __enter__(self) -> None:
        return

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        self._give_back()

    def _give_back(self) -> None:
        if self._held:
            self._held = False
            self._queue._end(self._waiter)
