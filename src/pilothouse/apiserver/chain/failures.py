"""Every failure of a request becomes upstream's Status here, and only here.

Which one: http/failures.py.
"""

from __future__ import annotations

from pilothouse.apiserver.http.failures import answer_of
from pilothouse.apiserver.http.request import Handler, Request, Response


async def answer_failures(request: Request, next: Handler) -> Response:
    """Turn every exception of the following links into a Status response."""
    try:
        return await next(request)
    except Exception as error:
        return answer_of(request, error)
