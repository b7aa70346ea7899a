"""Waiting for a result or a signal, whichever comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """The signal came first; the awaited call was cancelled."""


async def first(awaitable: Awaitable[T], signal: asyncio.Event) -> T:
    """Result of `awaitable`; Interrupted, after cancelling it, when `signal` is set first."""
    work = asyncio.ensure_future(awaitable)
    if signal.is_set():
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        raise Interrupted
    waiter = asyncio.ensure_future(signal.wait())
    try:
        await asyncio.wait((work, waiter), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise Interrupted
    finally:
        for task in (work, waiter):
            task.cancel()
        await asyncio.gather(work, waiter, return_exceptions=True)
