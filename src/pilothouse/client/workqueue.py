"""Keys waiting for workers. The promises are client-go's (util/workqueue), and testing/conformance/workqueue.py checks them:

- Fair: items are handed out in the order in which they were added.
- Stingy: an item that is added again before it was handed out is handed out once; two workers never hold the same item.
- Re-entrant: an item that is added while it is being worked on is handed out again when that work is done.
- Delayed: `add_after` adds when the time has come, the earliest of several; `add_rate_limited` waits longer with each failure.
- Shut down: no more is taken in, what is there is still handed out; with drain, `shut_down` waits until all of it is done.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from pilothouse.kit.clock import Clock, wait_for

Item = TypeVar("Item", bound=Hashable)

FIRST_DELAY_SECONDS = 0.005
LONGEST_DELAY_SECONDS = 1000.0
RETRIES_PER_SECOND = 10.0
RETRIES_BURST = 100


class ShutDown(Exception):
    """The queue is shut down and empty."""


class RateLimiter(Generic[Item]):
    """client-go's default for controllers: 5 ms doubled with each failure of an item, up to 1,000 s; and over all items ten a second
    once a burst of a hundred is spent."""

    def __init__(
        self,
        clock: Clock,
        *,
        first_delay_seconds: float = FIRST_DELAY_SECONDS,
        longest_delay_seconds: float = LONGEST_DELAY_SECONDS,
        per_second: float = RETRIES_PER_SECOND,
        burst: int = RETRIES_BURST,
    ) -> None:
        self._clock = clock
        self._first = first_delay_seconds
        self._longest = longest_delay_seconds
        self._per_second = per_second
        self._burst = burst
        self._tokens = float(burst)
        self._filled_at = clock.monotonic()
        self._failures: dict[Item, int] = {}

    def delay(self, item: Item) -> float:
        """Seconds that the item has to wait now; counts as a failure of it."""
        failures = self._failures.get(item, 0)
        self._failures[item] = failures + 1
        alone = min(self._first * 2.0 ** min(failures, 64), self._longest)
        return max(alone, self._take_token())

    def forget(self, item: Item) -> None:
        """Start the item's delays at the shortest again."""
        self._failures.pop(item, None)

    def failures(self, item: Item) -> int:
        """Number of failures of the item since `forget`."""
        return self._failures.get(item, 0)

    def _take_token(self) -> float:
        now = self._clock.monotonic()
        self._tokens = min(self._tokens + (now - self._filled_at) * self._per_second, self._burst)
        self._filled_at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self._per_second)


class WorkQueue(Generic[Item]):
    """Rate-limited, delaying work queue. `run()` serves the delayed adds; nothing else needs it.

    What it holds is limited by the number of different items, which are keys of objects in a cache.
    """

    def __init__(self, clock: Clock, rate_limiter: RateLimiter[Item] | None = None) -> None:
        self._clock = clock
        self._rate_limiter = rate_limiter or RateLimiter(clock)
        self._waiting: deque[Item] = deque()
        self._dirty: set[Item] = set()
        self._processing: set[Item] = set()
        self._getters: deque[asyncio.Future[None]] = deque()
        self._delayed: list[tuple[float, int, Item]] = []
        self._due: dict[Item, float] = {}
        self._order = itertools.count()
        self._sooner = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._shut_down = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Item) -> None:
        """Have the item handed out, if it does not wait already."""
        if self._shut_down or item in self._dirty:
            return
        self._dirty.add(item)
        if item not in self._processing:
            self._queue(item)

    async def get(self) -> Item:
        """The next item; call `done` with it afterwards. Raises ShutDown when there is none and will be none.

        It is taken after a rest (`Clock.yield_turn`): what is added many times in one moment of virtual time is handed out once.
        """
        rested = False
        while not (self._waiting and rested):
            if self._waiting:
                await self._rest()
                rested = True
                continue
            if self._shut_down:
                raise ShutDown
            await self._next_add()
            rested = False
        item = self._waiting.popleft()
        self._processing.add(item)
        self._dirty.discard(item)
        return item

    async def _rest(self) -> None:
        try:
            await self._clock.yield_turn()
        except asyncio.CancelledError:
            self._wake_one()  # what it was woken for another may take now
            raise

    async def _next_add(self) -> None:
        getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._getters.append(getter)
        try:
            await getter
        except asyncio.CancelledError:
            if getter in self._getters:
                self._getters.remove(getter)
            elif self._waiting:
                self._wake_one()
            raise

    def done(self, item: Item) -> None:
        """The work on the item has ended, well or not."""
        self._processing.discard(item)
        if item in self._dirty:
            self._queue(item)
        elif not self._processing and not self._waiting:
            self._idle.set()

    def add_after(self, item: Item, seconds: float) -> None:
        """Add when `seconds` have passed; of several for one item the earliest counts."""
        if self._shut_down:
            return
        if seconds <= 0:
            self.add(item)
            return
        at = self._clock.monotonic() + seconds
        if at >= self._due.get(item, float("inf")):
            return
        self._due[item] = at
        heapq.heappush(self._delayed, (at, next(self._order), item))
        if self._delayed[0][2] == item:
            self._sooner.set()

    def add_rate_limited(self, item: Item) -> None:
        """Add after a delay that grows with each failure, until `forget`."""
        self.add_after(item, self._rate_limiter.delay(item))

    def forget(self, item: Item) -> None:
        """The item went well: its next failure is a first one."""
        self._rate_limiter.forget(item)

    def requeues(self, item: Item) -> int:
        """Number of failures of the item since it was forgotten."""
        return self._rate_limiter.failures(item)

    async def shut_down(self, *, drain: bool = False) -> None:
        """Take nothing more in; with `drain`, return when all that was handed out is done."""
        self._shut_down = True
        self._due.clear()
        self._sooner.set()
        while self._getters:
            self._wake_one()
        if drain and (self._processing or self._waiting):
            await self._idle.wait()

    async def run(self) -> None:
        """Add delayed items when they are due, until shut down or cancelled."""
        while not self._shut_down:
            self._sooner.clear()
            self._add_due()
            if not self._delayed:
                await self._sooner.wait()
                continue
            try:
                await wait_for(self._clock, self._sooner.wait(), self._delayed[0][0] - self._clock.monotonic())
            except TimeoutError:
                continue

    def _add_due(self) -> None:
        now = self._clock.monotonic()
        while self._delayed and (self._delayed[0][0] <= now or self._stale(self._delayed[0])):
            entry = heapq.heappop(self._delayed)
            if not self._stale(entry):
                self.add(entry[2])
                self._due.pop(entry[2], None)

    def _stale(self, entry: tuple[float, int, Item]) -> bool:
        """The item is due earlier by another entry, or was added by it."""
        return self._due.get(entry[2]) != entry[0]

    def _queue(self, item: Item) -> None:
        self._idle.clear()
        self._waiting.append(item)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return
