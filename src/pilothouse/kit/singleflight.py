"""Work that several ask for at the same time is done once: who asks first does it, the others wait for what it gives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


class SingleFlight(Generic[K, T]):
    """One per kind of work; what is done is not remembered. An error is everybody's; when who does it is cancelled, another does it."""

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Future[T]] = {}

    async def run(self, key: K, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives, or gave to who asked for `key` first."""
        while (running := self._running.get(key)) is not None:
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                if not running.cancelled() or _is_cancelled():
                    raise
        future = self._running[key] = asyncio.get_running_loop().create_future()
        try:
            result = await work()
        except asyncio.CancelledError:
            future.cancel()
            raise
        except Exception as error:
            future.set_exception(error)
            future.exception()  # nobody else may wait for it
            raise
        else:
            future.set_result(result)
            return result
        finally:
            del self._running[key]


def _is_cancelled() -> bool:
    """Whether this task itself is asked to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
