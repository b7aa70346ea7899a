"""Calls that may block for long (mounts, walks of a tree, dead servers), run in threads of their own with a deadline.

- The threads are this process's own, or a helper process's (kit/helper_process.py): a thread that hangs in the kernel cannot be killed, and
  a process with such a thread never ends.
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
from functools import partial
from typing import Any, Protocol, TypeVar

from pilothouse.kit.clock import Clock, wait_for

T = TypeVar("T")
THREADS_LIMIT = 256


Finish = Callable[[Any, BaseException | None], None]
"""Told the result of a call, or its error, in whatever thread made it."""


@dataclass(slots=True, eq=False)
class Call:
    """A call to make in a thread. One that is `given_up` before it begins is never made."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    finish: Finish
    given_up: bool = False

    def make(self) -> None:
        """Make the call in the current thread, and report its result."""
        result, error = None, None
        if not self.given_up:
            try:
                result = self.function(*self.arguments)
            except BaseException as raised:
                error = raised
        self.finish(result, error)


class Executor(Protocol):
    """Runs blocking calls."""

    def begin(self, call: Call) -> None:
        """Make the call soon; returns at once."""

    def give_up(self, call: Call) -> None:
        """The result is no longer needed: skip the call unless it has started."""


class Threads:
    """Daemon threads of this process, one for each running call, up to `limit`."""

    def __init__(self, limit: int = THREADS_LIMIT) -> None:
        self._limit = limit
        self._queue: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._calls = 0

    def begin(self, call: Call) -> None:
        """Make the call in a thread that is free, or a new one."""
        self._queue.put(call)
        with self._lock:
            self._calls += 1
            if self._threads >= min(self._calls, self._limit):
                return
            self._threads += 1
        threading.Thread(target=self._work, name="blocking calls", daemon=True).start()

    def give_up(self, call: Call) -> None:
        """The thread that comes to it passes it over."""
        call.given_up = True

    def _work(self) -> None:
        while True:
            self._queue.get().make()
            with self._lock:
                self._calls -= 1


class BlockingCalls:
    """Threads for calls that may block, with deadlines. Calls that may delay one another share an instance."""

    def __init__(self, clock: Clock, threads: int = THREADS_LIMIT, executor: Executor | None = None) -> None:
        self._clock = clock
        self._executor = executor or Threads(threads)
        self._hanging: set[str] = set()

    async def run(self, key: str, seconds: float, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result; OSError when it is not there within `seconds`. `key` says what it may hang on, usually a path."""
        if key in self._hanging:
            raise OSError(errno.EBUSY, "an earlier call has not returned yet", key)
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        call = Call(function, arguments, partial(_tell, loop, result))
        self._executor.begin(call)
        try:
            return await wait_for(self._clock, asyncio.shield(result), seconds)
        except TimeoutError as error:
            self._leave(key, call, result)
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), key) from error
        except asyncio.CancelledError:
            self._leave(key, call, result)
            raise

    def _leave(self, key: str, call: Call, result: asyncio.Future[Any]) -> None:
        """Its caller waits no longer: a call that has not started is never made, one that has keeps others under its key from starting."""
        self._executor.give_up(call)
        if not result.done():
            self._hanging.add(key)
            result.add_done_callback(partial(self._returned, key))

    def _returned(self, key: str, result: asyncio.Future[Any]) -> None:
        self._hanging.discard(key)
        if not result.cancelled():
            result.exception()  # nobody waits for it any more


def _tell(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    try:
        loop.call_soon_threadsafe(_set, future, result, error)
    except RuntimeError:  # the loop is closed: nobody is left to tell
        return


def _set(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
