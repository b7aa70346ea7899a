"""What the client is to be warned of leaves as `Warning` headers; a watch has written its own by then."""

from __future__ import annotations

from pilothouse.apiserver.http import warning_headers
from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Handler, Request, Response


async def add_warnings(request: Request, next: Handler) -> Response:
    """Add the request's warnings to the response as `Warning` headers."""
    response = await next(request)
    if request.warnings and isinstance(response, Answer):
        response.headers.extend(("Warning", value) for value in warning_headers.values(request.warnings))
    return response
