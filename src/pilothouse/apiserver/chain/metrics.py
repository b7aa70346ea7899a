"""Counts every request, with its latency and the code of its answer."""

from __future__ import annotations

from pilothouse.apiserver.http.request import Handler, Request, Response


async def count(request: Request, next: Handler) -> Response:
    clock = request.api.clock
    request.started = started = clock.monotonic()
    response = await next(request)
    if request.info.verb != "watch":  # a watch's duration says nothing about the server
        request.api.metrics.observe(request.info.labels, response.status, clock.monotonic() - started)
    return response
