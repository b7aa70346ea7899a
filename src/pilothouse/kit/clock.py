"""Time as a dependency: the only module that may ask the machine what time it is.

- A component is given a `Clock` and asks nothing else; so a whole cluster can stand still, or run a day in a moment.
- `SystemClock` is the machine's. `VirtualClock` (kit/virtual_clock.py) moves only when told to.

asyncio is imported by who sleeps: the command line asks the time too, and must be quick.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

T = TypeVar("T")


class Timer(Protocol):
    """Something that will be called, unless it is cancelled before."""

    def cancel(self) -> None:
        """Keep the callback from being called; harmless when it was called already."""
        ...


class Clock(Protocol):
    """Wall time, monotonic time, sleep and what is built of it."""

    def now(self) -> datetime:
        """The wall time, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock's time; at once (after one turn of the loop) when not positive."""
        ...

    def call_after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Have the running loop call `callback` after `seconds`; it must only take note."""
        ...

    async def yield_turn(self) -> None:
        """Let others go first: in real time for one turn of the loop, in virtual time until nothing else happens at this moment."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """While the block runs virtual time does not move: for a call to a program outside, which answers in the machine's time and is
        bounded in it."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The machine's wall time, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep for real."""
        import asyncio

        await asyncio.sleep(seconds)

    def call_after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in the running loop after so many seconds."""
        import asyncio

        return asyncio.get_running_loop().call_later(max(seconds, 0.0), callback)

    async def yield_turn(self) -> None:
        """Let other tasks run once."""
        import asyncio

        await asyncio.sleep(0)

    def paused(self) -> AbstractContextManager[None]:
        """The machine's time cannot be paused."""
        return nullcontext()


class MonotonicTime:
    """A time that began as the wall time and goes on with the monotonic one: for durations, which must not follow a clock that is set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_at, self._monotonic = clock.now(), clock.monotonic()

    def now(self) -> datetime:
        """The wall time as it would be if nobody had set the clock since."""
        return self._began_at + timedelta(seconds=self._clock.monotonic() - self._monotonic)


async def wait_for(clock: Clock, awaitable: Awaitable[T], seconds: float) -> T:
    """The result of `awaitable`, or TimeoutError after `seconds` of the clock's time; what was waited for is cancelled then."""
    import asyncio

    task = asyncio.current_task()
    assert task is not None
    cancelled_before, late = task.cancelling(), False

    def expire() -> None:
        nonlocal late
        late = True
        task.cancel()

    timer = clock.call_after(seconds, expire)
    try:
        return await awaitable
    except asyncio.CancelledError:
        if late and task.uncancel() <= cancelled_before:
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
