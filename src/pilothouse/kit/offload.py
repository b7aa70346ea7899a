"""Long work of the processor beside the event loop: one piece at a time, or two, in threads that give way often.

While it goes on, threads take turns every half millisecond instead of every five, and the garbage collector waits: it would walk over
the millions of values that are being made, and hold up everybody.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
SWITCH_SECONDS = 0.0005


_offload, _background = ThreadPoolExecutor(1, "offload"), ThreadPoolExecutor(1, "background")


class _State:
    """Of the process, as what it changes is."""

    running = 0
    usual_switch = 0.005
    lock = threading.Lock()
    building = 0
    """Who needs the garbage collector to wait; loops in several threads may."""
    collects = True
    """Whether it was on before the first of them came."""


@contextmanager
def collector_waiting() -> Iterator[None]:
    """While the block runs the interpreter's garbage collector waits: what is being built is not garbage, and looking at it over and
    over costs up to a third of the building. It is on again afterwards if it was before."""
    with _State.lock:
        if not _State.building:
            _State.collects = gc.isenabled()
            gc.disable()
        _State.building += 1
    try:
        yield
    finally:
        with _State.lock:
            _State.building -= 1
            if not _State.building and _State.collects:
                gc.enable()


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
    _State.running += 1
    try:
        with collector_waiting():
            return await asyncio.get_running_loop().run_in_executor(executor, function, *args)
    finally:
        _State.running -= 1
        if not _State.running:
            sys.setswitchinterval(_State.usual_switch)


WAITERS = 64
_waiting = ThreadPoolExecutor(WAITERS, "waiting")


async def in_waiting_thread(function: Callable[..., T], *args: Any) -> T:
    """The result of a function that may wait for others: it keeps nobody but its like from a thread."""
    return await asyncio.get_running_loop().run_in_executor(_waiting, function, *args)
