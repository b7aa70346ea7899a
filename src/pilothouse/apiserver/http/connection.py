"""One connection of a client: aiohttp's, but that it answers its requests in its own task, one after the other.

- Parsing, pipelining, limits, upgrades, error pages and the keep-alive timer are aiohttp's.
- aiohttp makes a task for each request, so that context variables of one are not seen by the next. There are none here, and
  making, waking and awaiting a task costs as much as TLS does.
- A request that takes too long is cancelled by cancelling this task (chain/in_flight.py), which takes the cancellation back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage, StreamWriter

from pilothouse.apiserver.http.request import HttpRequest
from pilothouse.kit.clock import SystemClock, wait_for

MACHINE = SystemClock()
"""Connections live in the machine's own time, also where a cluster's is virtual: their clients do."""


class Connection(web.RequestHandler):
    """Made by `Connections` for each client that connects."""

    __slots__ = ("on_pause",)

    def __init__(self, manager: web.Server, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.on_pause: Callable[[], None] | None = None
        """Called when the client has so much unread that writing should wait."""

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.on_pause is not None:
            self.on_pause()

    async def start(self) -> None:
        """Answer what comes until the connection is to be closed."""
        task, handler = asyncio.current_task(), self._request_handler
        while not self._force_close:
            if not self._messages:
                await self._arrival()
            if not isinstance(self._messages[0][0], RawRequestMessage):
                await super().start()  # what the parser has refused: aiohttp answers it with 400 and closes
                return
            if not await self._answer(handler, task):
                break
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _arrival(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _answer(self, handler: Any, task: Any) -> bool:
        """Answer the next request; whether another may follow."""
        message: Any
        message, payload = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        request: Any = HttpRequest(message, payload, self, StreamWriter(self, self._loop), task, self._loop)
        try:
            response, gone = await self._handle_request(request, None, handler)
            if gone:
                return False
            self._keepalive = bool(response.keep_alive)
            if not payload.is_eof():
                await self._linger(payload)
        except ConnectionError:
            return False
        except asyncio.CancelledError:
            self.force_close()
            raise
        except Exception:
            self.log_exception("a connection failed")
            self.force_close()
        finally:
            request._task = None  # a cycle that the collector need not look for
        return self._stays()

    async def _linger(self, payload: Any) -> None:
        """Take the rest of a body that nobody wanted, for a while: a client that is still sending would not read its answer."""
        with suppress(TimeoutError):
            await wait_for(MACHINE, self._rest_of(payload), self._lingering_time)
        if not payload.is_eof():
            self.close()
            payload.set_exception(web.PayloadAccessError())  # for a proxied request that still reads it

    async def _rest_of(self, payload: Any) -> None:
        while not payload.is_eof() and not self._force_close:
            await payload.readany()

    def _stays(self) -> bool:
        """Whether the connection is kept; it is closed when nothing comes for long."""
        if not self._keepalive or self._close or self._force_close:
            return False
        self._next_keepalive_close_time = MACHINE.monotonic() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = MACHINE.call_after(self._keepalive_timeout, self._process_keepalive)  # type: ignore[assignment]
        return True


class Connections(web.Server):
    """All connections of a server: what is given to `loop.create_server`."""

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)
