"""Calls that may block for long (mounts, walks of a tree, dead servers), run in threads of their own with a deadline.

- A call that does not return within its deadline is an OSError (ETIMEDOUT) for its caller; its thread goes on until the kernel lets it go.
- While it does, calls under the same key fail at once (EBUSY): one volume that hangs takes one thread, however often it is tried again.
- Threads are daemons: a process that ends does not wait for them. At most `threads` run; calls beyond wait, within their deadline.

asyncio's own executor has few threads, and the process waits for them at its end: a volume that hangs would hold up everything there.
"""

from __future__ import annotations

import asyncio
import errno
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pilothouse.kit.clock import Clock, wait_for

T = TypeVar("T")
THREADS_LIMIT = 256


@dataclass(slots=True)
class _Call:
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    result: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    given_up: bool = False


class BlockingCalls:
    """Threads for calls that may block, with deadlines. Calls that may delay one another share an instance."""

    def __init__(self, clock: Clock, threads: int = THREADS_LIMIT) -> None:
        self._clock = clock
        self._limit = threads
        self._queue: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._calls = 0
        self._hanging: set[str] = set()

    async def run(self, key: str, seconds: float, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result; OSError when it is not there within `seconds`. `key` says what it may hang on, usually a path."""
        if key in self._hanging:
            raise OSError(errno.EBUSY, "an earlier call has not returned yet", key)
        loop = asyncio.get_running_loop()
        call = _Call(function, arguments, loop.create_future(), loop)
        self._queue.put(call)
        self._add_thread()
        try:
            result: T = await wait_for(self._clock, asyncio.shield(call.result), seconds)
        except TimeoutError as error:
            self._leave(key, call)
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), key) from error
        except asyncio.CancelledError:
            self._leave(key, call)
            raise
        return result

    def _leave(self, key: str, call: _Call) -> None:
        """Its caller waits no longer: what has not begun never does, what has is in the way of others under its key."""
        call.given_up = True
        if not call.result.done():
            self._hanging.add(key)
            call.result.add_done_callback(lambda result: self._returned(key, result))

    def _returned(self, key: str, result: asyncio.Future[Any]) -> None:
        self._hanging.discard(key)
        if not result.cancelled():
            result.exception()  # nobody waits for it any more

    def _add_thread(self) -> None:
        """There are as many threads as there are calls that have not returned, up to the limit."""
        with self._lock:
            self._calls += 1
            if self._threads >= min(self._calls, self._limit):
                return
            self._threads += 1
        threading.Thread(target=self._work, name="blocking calls", daemon=True).start()

    def _work(self) -> None:
        while True:
            _make(self._queue.get())
            with self._lock:
                self._calls -= 1


def _make(call: _Call) -> None:
    result, error = None, None
    if not call.given_up:
        try:
            result = call.function(*call.arguments)
        except BaseException as raised:
            error = raised
    try:
        call.loop.call_soon_threadsafe(_set, call.result, result, error)
    except RuntimeError:  # the loop is closed: nobody is left to tell
        return


def _set(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
