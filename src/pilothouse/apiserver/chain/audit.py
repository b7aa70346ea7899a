"""Seam for auditing: tells the registry's auditor of every request and its code; nothing is recorded without one."""

from __future__ import annotations

from collections.abc import Awaitable

from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.apiserver.http.request_info import attributes_of
from pilothouse.machinery.errors import StatusError


def audit(request: Request, next: Handler) -> Awaitable[Response]:
    """Hand the request on; told to the auditor when there is one."""
    return next(request) if request.api.registry.auditor is None else audited(request, next)


async def audited(request: Request, next: Handler) -> Response:
    """The answer, of which the auditor has been told."""
    auditor, code = request.api.registry.auditor, 500
    assert auditor is not None
    try:
        response = await next(request)
        code = response.status
        return response
    except StatusError as error:
        code = error.status.code
        raise
    finally:
        auditor(request.user, attributes_of(request.info, request.info.name), code)
