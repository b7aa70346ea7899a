"""Long work of the processor beside the event loop: one piece at a time, or two, in threads that give way often.

While it goes on, threads take turns every half millisecond instead of every five, and the garbage collector waits: it would walk over
the millions of values that are being made, and hold up everybody.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
SWITCH_SECONDS = 0.0005


_offload, _background = ThreadPoolExecutor(1, "offload"), ThreadPoolExecutor(1, "background")


class _State:
    """Of the process, as what it changes is."""

    running = 0
    usual_switch = 0.005


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """The result of `function`, which must touch nothing that the loop uses meanwhile."""
    return await _giving_way(_offload, function, *args)


async def in_background(function: Callable[..., T], *args: Any) -> T:
    """The same for work of a second or more (documents about everything that is served), which requests need not wait for."""
    return await _giving_way(_background, function, *args)


async def _giving_way(executor: ThreadPoolExecutor, function: Callable[..., T], *args: Any) -> T:
    if not _State.running:
        _State.usual_switch = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.disable()
    _State.running += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, function, *args)
    finally:
        _State.running -= 1
        if not _State.running:
            gc.enable()
            sys.setswitchinterval(_State.usual_switch)


WAITERS = 64
_waiting = ThreadPoolExecutor(WAITERS, "waiting")


async def in_waiting_thread(function: Callable[..., T], *args: Any) -> T:
    """The result of a function that may wait for others: it keeps nobody but its like from a thread."""
    return await asyncio.get_running_loop().run_in_executor(_waiting, function, *args)
