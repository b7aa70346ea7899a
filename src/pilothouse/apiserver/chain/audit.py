"""Seam for auditing: hands every answered request to the server's auditor; nothing is recorded without one."""

from __future__ import annotations

from pilothouse.apiserver.endpoints.request import Handler, Request, Response


async def audit(request: Request, next: Handler) -> Response:
    response = await next(request)
    auditor = request.api.auditor
    if auditor is not None:
        auditor(request, response.status)
    return response
