"""Seam for auditing: hands every answered request to the server's auditor; nothing is recorded without one."""

from __future__ import annotations

from collections.abc import Awaitable

from pilothouse.apiserver.http.request import Handler, Request, Response


def audit(request: Request, next: Handler) -> Awaitable[Response]:
    return next(request) if request.api.auditor is None else audited(request, next)


async def audited(request: Request, next: Handler) -> Response:
    response = await next(request)
    auditor = request.api.auditor
    if auditor is not None:
        auditor(request, response.status)
    return response
