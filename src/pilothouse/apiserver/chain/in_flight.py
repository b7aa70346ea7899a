"""Limits: how many requests are answered at a time, and for how long each may take.

Long-running requests (watches and streams) pass freely.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from pilothouse.apiserver.auth.user import MASTERS
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.machinery import errors, time

READING = frozenset(("get", "list"))
STREAMS = frozenset(("log", "exec", "attach", "portforward", "proxy"))


def limit(request: Request, next: Handler) -> Awaitable[Response]:
    """Bound concurrent requests, reading and changing ones apart, and the time of each. Raises a 429 when the limit is reached."""
    info = request.info
    if info.verb == "watch" or info.subresource in STREAMS:
        return next(request)
    return limit_reading(request, next) if info.verb in READING else limit_changing(request, next)


async def limit_reading(request: Request, next: Handler) -> Response:
    """Continue within the limit of reading requests. Raises a 429 above it; `system:masters` is never refused."""
    flying = request.api.in_flight
    if flying.reading >= flying.reading_limit and MASTERS not in request.user.groups:
        raise refused(request, "readOnly")
    flying.reading += 1
    try:
        return await timed(request, next)
    finally:
        flying.reading -= 1


async def limit_changing(request: Request, next: Handler) -> Response:
    """The body is waited for before the request counts: slow clients do not take the places of others."""
    try:
        return await timed(request, counted_changing(next))
    finally:
        request.release()


def counted_changing(next: Handler) -> Handler:
    """A handler that reads the body before the request counts as in flight, so that slow senders take no place."""

    async def answer(request: Request) -> Response:
        info = request.info
        if info.is_resource and not request.http.content.is_eof() and not request.api.is_extension(info.group, info.version):
            await request.body()
        return await count_changing(request, next)

    return answer


async def count_changing(request: Request, next: Handler) -> Response:
    """Continue within the limit of changing requests. Raises a 429 above it; `system:masters` is never refused."""
    flying = request.api.in_flight
    if flying.changing >= flying.changing_limit and MASTERS not in request.user.groups:
        raise refused(request, "mutating")
    flying.changing += 1
    try:
        return await next(request)
    finally:
        flying.changing -= 1


async def timed(request: Request, next: Handler) -> Response:
    """Answer within the time; 504 beyond it."""
    flying = request.api.in_flight
    task = request.http.task
    flying.watch_over(task, request.started + allotted(request, flying.time_limit_seconds))
    try:
        return await next(request)
    except asyncio.CancelledError:
        if task not in flying.overdue:
            raise
        task.uncancel()
        raise errors.timeout("request did not complete within the allotted timeout") from None
    finally:
        flying.release(task)


def allotted(request: Request, longest: float) -> float:
    """Seconds for a request: fewer than the server gives when the client says so (`kubectl --request-timeout`)."""
    text = request.parameter("timeout") if "timeout=" in request.query_string else ""
    if not text:
        return longest
    try:
        seconds = time.duration(text)
    except ValueError as error:
        raise errors.bad_request(f"invalid timeout specified in the request URL - {error}") from error
    return seconds if 0 < seconds < longest else longest


def refused(request: Request, kind: str) -> errors.StatusError:
    """The 429 for a request above a limit, counted in the metrics under `kind` (readOnly or mutating)."""
    request.api.metrics.rejected[kind] += 1
    return errors.too_many_requests("Too many requests, please try again later.", 1)
